"""What the lecture notes claim, run and judged: one claim a file.

A file is one claim. Its docstring states it, says what is run and how it is decided; below are

    CHINESE     the claim in Chinese
    SEEDS       how many runs, each with random numbers of its own; 1 where nothing is random
    THRESHOLDS  what the numbers are held against, fixed before the first run
    QUICK       settings of a small run, for the tests and for a first look
    run         (impl, seed, settings …) -> numbers and curves, by name
    decide      (the numbers, medians over the seeds) -> Verdict
    draw        (figure, the runs, say) -> None; say("English", "中文") gives the one that is wanted

workbench.py     what they share: the switch between implementations, data, small networks, a training loop
verdict.py       what comes out, in two languages
drawing.py       how their figures look
experiments.py   runs them, and writes figures, JSON and the table
"""

NAMES = (  # in the order of the subjects: gradients, losses, optimizers, networks, sequences, pictures, graphs
    "vanish_depth",
    "saturated_ce",
    "batch_size",
    "momentum_ravine",
    "max_in_v",
    "rate_falls",
    "rprop_nine_one",
    "own_momentum",
    "gains",
    "adam_then_sgd",
    "newton",
    "full_batch_small",
    "global_optimum",
    "saddle",
    "unbiased",
    "outliers",
    "l1_zeros",
    "overfit",
    "bn_init",
    "prepare",
    "keras_lenet",
    "order",
    "memory",
    "conv_facts",
    "graphs",
    "sigmoid_wb",
    "bias",
    "nonlinearity",
    "xor",
    "context",
    "tuning_recipe",
    "loss_from_gradient",
)
