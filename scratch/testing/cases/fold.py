"""Cases of scratch/nn/fold.py, scratch/nn/shuffle.py and Unflatten."""

from scratch.testing import bad, case, normal

IMAGE = [normal(2, 2, 5, 4)]
CHANNELS = [normal(2, 8, 2, 3)]
LAST = [lambda generator: normal(2, 2, 3, 8)(generator).permute(0, 3, 1, 2)]  # channels_last
COLUMNS = [normal(2, 12, 12)]

CASES = [
    case("Unfold", 3, inputs=IMAGE),
    case("Unfold", (2, 3), (2, 1), (1, 0), (1, 2), inputs=IMAGE),
    case("Unfold", 2, stride=2, inputs=[normal(2, 5, 4)]),
    case("Unfold", 2, padding=1, inputs=[normal(0, 2, 3, 3)]),
    case("Fold", (5, 4), 2, inputs=COLUMNS),
    case("Fold", (5, 4), (2, 3), (2, 1), (1, 0), (1, 2), inputs=[normal(2, 6, 5)]),
    case("Fold", 4, 2, 1, 1, 2, inputs=[normal(4, 9)]),
    case("Fold", 3, 2, inputs=[normal(0, 8, 4)]),
    case("functional.unfold", 2, padding=(0, 1), inputs=IMAGE),
    case("functional.fold", (5, 4), 2, inputs=COLUMNS),
    case("PixelShuffle", 2, inputs=CHANNELS),
    case("PixelShuffle", 2, inputs=LAST),
    case("PixelShuffle", 1, inputs=[normal(2, 1, 2)]),
    case("PixelUnshuffle", 2, inputs=[normal(2, 1, 4, 6)]),
    case("PixelUnshuffle", 3, inputs=[normal(2, 2, 1, 3, 6)]),
    case("ChannelShuffle", 4, inputs=CHANNELS),
    case("ChannelShuffle", 2, inputs=[normal(0, 4, 3)]),
    case("functional.pixel_shuffle", 2, inputs=CHANNELS),
    case("functional.pixel_unshuffle", 2, inputs=[normal(1, 4, 2)]),
    case("functional.channel_shuffle", 2, inputs=LAST),
    case("Unflatten", 1, (2, -1), inputs=CHANNELS),
    case("Unflatten", -1, [3, 1], inputs=CHANNELS),
]

BAD_ARGUMENTS = [
    *(
        bad("functional.unfold", inputs=[normal(*size)], **options)
        for size, options in (
            ((2, 2, 5, 4), {"kernel_size": 6}),
            ((2, 2, 5, 4), {"kernel_size": 0}),
            ((2, 2, 5, 4), {"kernel_size": 2, "stride": 0}),
            ((2, 2, 5, 4), {"kernel_size": 2, "padding": -1}),
            ((2, 2, 5, 4), {"kernel_size": 2, "dilation": 0}),
            ((2, 2, 5, 4), {"kernel_size": 2.0}),
            ((2, 2, 5, 4), {"kernel_size": (2, 2, 2)}),
            ((2, 0, 5, 4), {"kernel_size": 2}),
            ((1, 2, 2, 5, 4), {"kernel_size": 2}),
        )
    ),
    bad("Fold", (5, 5), 2, inputs=COLUMNS),
    bad("Fold", (5, 4), (2, 5), inputs=COLUMNS),
    bad("Fold", (5, 4), 0, inputs=COLUMNS),
    bad("Fold", (5, 4, 3), 2, inputs=COLUMNS),
    bad("Fold", (5, 4), 2, inputs=[normal(2, 3, 12, 12)]),
    bad("PixelShuffle", 3, inputs=CHANNELS),
    bad("PixelShuffle", 0, inputs=CHANNELS),
    bad("PixelShuffle", 2.0, inputs=CHANNELS),
    bad("PixelShuffle", 1, inputs=[normal(4, 4)]),
    bad("PixelUnshuffle", 2, inputs=CHANNELS),
    bad("PixelUnshuffle", -1, inputs=CHANNELS),
    bad("ChannelShuffle", 3, inputs=CHANNELS),
    bad("ChannelShuffle", 0, inputs=CHANNELS),
    bad("ChannelShuffle", 1, inputs=[normal(4, 4)]),
    bad("Unflatten", 1, (3, 2), inputs=CHANNELS),
    bad("Unflatten", 1, 2, inputs=CHANNELS),
    bad("Unflatten", 1, (2.0, 4), inputs=CHANNELS),
    bad("Unflatten", 4, (2, 4), inputs=CHANNELS),
    bad("Unflatten", 1, (), inputs=CHANNELS),
]
