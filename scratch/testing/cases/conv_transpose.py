"""Cases of the transposed convolutions in scratch/nn/conv.py."""

from scratch.testing import bad, case, normal

LINE = [normal(2, 4, 5)]
IMAGE = [normal(2, 4, 3, 4)]
VOLUME = [normal(2, 2, 2, 3, 2)]
LAST = [lambda generator: normal(2, 3, 4, 4)(generator).permute(0, 3, 1, 2)]  # channels_last

CASES = [
    case("ConvTranspose1d", 4, 3, 3, inputs=LINE),
    case("ConvTranspose1d", 4, 6, 3, 2, 1, 1, 2, False, 2, inputs=LINE),
    case("ConvTranspose1d", 4, 2, 3, padding=(3,), inputs=[normal(4, 5)]),
    case("ConvTranspose1d", 4, 2, 3, 3, inputs=LINE).but(call={"output_size": (17,)}),
    case("ConvTranspose2d", 4, 3, 3, inputs=IMAGE),
    case("ConvTranspose2d", 4, 3, 2, stride=2, bias=False, inputs=IMAGE),
    case("ConvTranspose2d", 4, 3, (2, 3), stride=(3, 2), padding=1, output_padding=(2, 0), inputs=IMAGE),
    case("ConvTranspose2d", 4, 3, 2, output_padding=2, dilation=(3, 4), inputs=IMAGE),  # beyond all windows
    case("ConvTranspose2d", 4, 6, 3, padding=2, groups=2, inputs=IMAGE),
    case("ConvTranspose2d", 4, 4, 3, 2, 1, 1, groups=4, inputs=[normal(4, 3, 4)]),
    # with many channels the first dimension goes by shifts
    case("ConvTranspose2d", 2, 10, 3, 2, 1, 1, inputs=[normal(1, 2, 2, 3)]),
    case("ConvTranspose2d", 2, 13, 2, output_padding=2, dilation=(3, 4), padding=1, inputs=[normal(1, 2, 3, 2)]),
    case("ConvTranspose3d", 2, 26, (2, 1, 2), (2, 1, 2), (1, 0, 0), groups=2, inputs=[normal(1, 2, 2, 1, 2)]),
    case("ConvTranspose2d", 4, 3, 1, inputs=IMAGE),
    case("ConvTranspose2d", 4, 3, 3, 2, 1, inputs=LAST),
    case("ConvTranspose2d", 4, 3, 3, padding=(0, 3), inputs=[normal(0, 4, 3, 4)]),
    case("ConvTranspose2d", 4, 2, 3, 2, inputs=IMAGE).but(call={"output_size": [2, 2, 8, 9]}),
    case("ConvTranspose2d", 1, 1, 1, inputs=[normal(1, 1, 1, 1)]),
    case("ConvTranspose3d", 2, 3, 2, inputs=VOLUME),
    case("ConvTranspose3d", 2, 4, (1, 2, 3), (1, 2, 3), (0, 1, 1), (0, 1, 2), 2, False, (1, 2, 1), inputs=VOLUME),
    case("ConvTranspose3d", 2, 1, 2, 2, inputs=[normal(2, 2, 3, 2)]).but(call={"output_size": (5, 6, 4)}),
    case("functional.conv_transpose1d", None, 2, 1, 1, inputs=[normal(3, 4), normal(3, 2, 3)]),
    case("functional.conv_transpose2d", inputs=[normal(2, 4, 3, 3), normal(4, 3, 2, 3), normal(3)]),
    case("functional.conv_transpose3d", stride=2, groups=2, inputs=[normal(1, 4, 1, 2, 1), normal(4, 1, 1, 2, 2)]),
]

BAD_ARGUMENTS = [
    bad("ConvTranspose2d", 4, 3, 3, groups=2, inputs=IMAGE),
    bad("ConvTranspose2d", 4, 3, 3, padding_mode="reflect", inputs=IMAGE),
    bad("ConvTranspose2d", 4, 3, 3, padding="same", inputs=IMAGE),
    bad("ConvTranspose2d", 4, 3, 3, padding=4, inputs=IMAGE),
    bad("ConvTranspose2d", 4, 3, 3, padding=-1, inputs=IMAGE),
    bad("ConvTranspose2d", 4, 3, 3, output_padding=1, inputs=IMAGE),
    bad("ConvTranspose2d", 4, 3, 3, output_padding=-1, inputs=IMAGE),
    bad("ConvTranspose2d", 4, 3, 3, stride=(1, 1, 1), inputs=IMAGE),
    bad("ConvTranspose2d", 4, 3, 3, stride=0, inputs=IMAGE),
    bad("ConvTranspose2d", 4, 3, 3, dilation=0, inputs=IMAGE),
    bad("ConvTranspose2d", 3, 4, 3, inputs=IMAGE),
    bad("ConvTranspose2d", 4, 3, 3, inputs=[normal(3, 4)]),
    bad("ConvTranspose2d", 4, 3, 3, inputs=[normal(2, 4, 0, 4)]),
    *(
        bad("ConvTranspose2d", 4, 3, 3, 2, inputs=IMAGE).but(call={"output_size": size})
        for size in ((9, 9), (6, 9), (7,), (2, 3, 7), 7)
    ),
    bad("ConvTranspose1d", 4, 3, 3, inputs=IMAGE),
    bad("ConvTranspose3d", 4, 3, 3, inputs=IMAGE),
    bad("functional.conv_transpose2d", inputs=[normal(2, 4, 3, 3), normal(4, 3, 2, 2), normal(4)]),
    bad("functional.conv_transpose2d", groups=3, inputs=[normal(2, 4, 3, 3), normal(4, 3, 2, 2)]),
]
