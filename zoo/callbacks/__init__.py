"""Callbacks, which Lightning calls during a run. Each that can be chosen has a file of its name in conf/callbacks/.

Every run has those that conf/callbacks/default.yaml lists:
checkpoints.py       best.ckpt, last.ckpt and those of chosen epochs
progress.py          the progress bar
data_check.py        the training data are checked before the first step
cost.py              parameters, memory and time are printed
finite.py            NaN and infinity end the run and are kept in a file
random_numbers.py    the random numbers of a step depend on seed and step alone
interrupt.py         Ctrl-C saves a checkpoint and ends the run
pictures/curves.py   the learning curves

callbacks=[default,NAME] adds one of these:
gradient_norms.py  limit.py  memorise.py  stop_above_mean.py  swa.py  switch_optimizer.py  pictures/gradient_by_depth.py
pictures/embedding_by_depth.py

A model adds its own in ``configure_callbacks``: text_samples.py, translations.py, and the other pictures.
zoo/training/run.py adds monitor_check.py, save_config.py and unbroken.py.
"""
