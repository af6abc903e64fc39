def as_html(report):
    return ""
