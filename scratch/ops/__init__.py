"""All the mathematics, one op or one tight family a file.

How to read a page: its docstring gives the formula, then the tangent (how a small change of the inputs moves
the output), then the adjoint, which is the tangent transposed and is what ``backward`` computes. Throughout,

    ẋ   a small change of x                       (tangent, forward)
    x̄   the gradient of the final scalar by x     (adjoint, backward); ȳ is what arrives from above.

One follows from the other by  ⟨ȳ, ẏ⟩ = ⟨x̄, ẋ⟩  for every ẋ and ȳ.
"""
