"""Other libraries beside ours in the benchmark, a file each: the same rows in that library's own words.

``TASKS`` of a file has the rows that the library takes part in: from the name of a layer, function or model to a
function (tensors, grad) -> task. The tensors are the inputs and then the parameters of torch's own, ``grad`` is the
gradient of the output. The task computes forward and backward, as that of the reference does, and gives the gradients.
A model gets no ``grad``: its output is the loss, and its task a whole training step with Adam.
"""

NAMES = ("autograd", "jax", "torch_geometric")
