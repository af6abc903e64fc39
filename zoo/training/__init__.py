"""A training run, from the command line to the folder that it leaves.

cli.py             the frame of every script: Hydra's command line; a mistake ends in one line and exit status 2
check.py           the checks of a run's configuration, before anything is built
build.py           data, model and trainer from the configuration
run.py             a run: check, build, fit, test, report
processes.py       runs of several processes, and runs in a process of their own
checkpoint.py      a checkpoint file: written whole, found, read, and turned into a model
as_trained.py      a checkpoint with the data and the model that it was trained with, for eval.py and export.py
resume.py          what a checkpoint must be to resume from it, and how an interrupted run ends
record.py          the run's folder: configuration, command, versions, commit, numbers
report.py          the table at the end of a run
learning_rate.py   tune=lr: a search for a learning rate in place of a run
compilation.py  loggers.py  schedules.py
"""
