"""What the pages share and is no page: the base classes, number types, matrix products, broadcasting."""
