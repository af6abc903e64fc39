"""The commands, one a file: scripts/train.py in a checkout and handgrad-train where Handgrad is installed are both
zoo/commands/train.py. Each ends in a call of what does the work, which is imported only then: ``--help`` is quick."""
