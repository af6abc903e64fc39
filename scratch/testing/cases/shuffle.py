"""Cases of scratch/ops/resample/shuffle.py."""

from scratch.testing import bad, case, normal

CHANNELS = [normal(2, 8, 2, 3)]
LAST = [lambda generator: normal(2, 2, 3, 8)(generator).permute(0, 3, 1, 2)]  # channels_last

CASES = [
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
]

BAD_ARGUMENTS = [
    bad("PixelShuffle", 3, inputs=CHANNELS),
    bad("PixelShuffle", 0, inputs=CHANNELS),
    bad("PixelShuffle", 2.0, inputs=CHANNELS),
    bad("PixelShuffle", 1, inputs=[normal(4, 4)]),
    bad("PixelUnshuffle", 2, inputs=CHANNELS),
    bad("PixelUnshuffle", -1, inputs=CHANNELS),
    bad("ChannelShuffle", 3, inputs=CHANNELS),
    bad("ChannelShuffle", 0, inputs=CHANNELS),
    bad("ChannelShuffle", 1, inputs=[normal(4, 4)]),
]
