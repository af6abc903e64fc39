"""BERT: a Transformer's encoder, which learns a language by finding words that are covered.

    h₀ = norm(E[x] + P),   hₖ = block(hₖ₋₁),   p(word at t) = softmax(E norm(GELU(W hₜ + b)) + c),
    block(h) = norm(a + f(a)),   a = norm(h + attention(h)),

where attention sees the words on both sides, and f is a network of one hidden layer of 4 D units and GELU. The loss is
−log p of the words that were chosen (zoo/data/masked_text.py), the mean over them. For D = `width`, V words and MASK:

    word embedding, also the output layer    (V + 1) × D                2 001 × 64    128 064 parameters
    positions, learned; norm                 T × D, 2 D                    64 × 64      4 224
    a block: attention                       D × 3 D, D × D                            16 384
             feed-forward                    D × 4 D + 4 D, 4 D × D + D                33 088
             two norms                       2 × 2 D                                      256
    head: linear, norm, bias                 D × D + D, 2 D, V + 1                      6 289    together 238 033

with the numbers of size "tiny", two blocks, and a vocabulary of 2 000.
Source: Devlin, Chang, Lee and Toutanova, BERT: pre-training of deep bidirectional Transformers for language
understanding (2019).
Differs from the paper: windows of a text instead of pairs of sentences, so there are no segments and no next-sentence
loss; the projections of the attention have no bias.
"""

from typing import Any

from lightning import Callback
from torch import Tensor
from torch.nn import Module, ModuleList, Sequential, init

from zoo.base.found_words import log_found
from zoo.base.trainable import Trainable
from zoo.callbacks.filled import Filled
from zoo.core.distributed import joint_mean
from zoo.core.errors import UsageError, between, one_of, whole
from zoo.core.namespace import Namespace
from zoo.text.metrics import Perplexity
from zoo.text.vocabulary import PAD, Vocabulary
from zoo.transformer import EncoderLayer, FeedForward, Residual, SelfAttention

# size: width, heads, depth
SIZES = {"tiny": (64, 4, 2), "small": (128, 4, 4), "base": (256, 4, 6)}


class BERT(Trainable):
    """Words (N, T), some of them covered -> logits of the words that stand there (N, T, V + 1).

    Args:
        layers: the package that every layer and the loss come from.
        size: "tiny", "small" or "base".
        context: the largest number of words that are read, T.
        dropout: on the embeddings, the attention's probabilities, and the output of each part of a block.
        vocabulary: JSON text of a `Vocabulary`, so that a checkpoint is complete. MASK has the number behind its last.

    Logs the loss of train, val and test, and for val and test the accuracy, which is the share of the chosen words that
    get the highest probability, and the perplexity exp(loss).
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        size: str = "tiny",
        context: int = 64,
        dropout: float = 0.1,
        vocabulary: str = "",
        **training: Any,
    ) -> None:
        super().__init__(**training)
        self.save_hyperparameters(ignore=list(training))
        one_of("model.size", size, SIZES)
        whole("model.context", context, 2)
        between("model.dropout", dropout, 0, 1)
        width, heads, depth = SIZES[size]
        nn = Namespace(layers)

        def residual(f: Module) -> Residual:
            return Residual(layers, width, dropout, norm_first=False, f=f)

        def block() -> EncoderLayer:
            attention = SelfAttention(layers, width, heads, dropout, causal=False)
            return EncoderLayer(residual(attention), residual(FeedForward(layers, width, 4 * width, 0.0, "GELU")))

        self.vocabulary, self.context = Vocabulary(vocabulary), context
        words = len(self.vocabulary) + 1
        self.embedding = nn.Embedding(words, width)
        self.positions = nn.LearnedPositions(width, context)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.blocks = ModuleList(block() for _ in range(depth))
        self.transform = Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.output = nn.Linear(width, words)
        self.output.weight = self.embedding.weight
        self.loss = nn.CrossEntropyLoss(ignore_index=PAD)
        self.val_perplexity, self.test_perplexity = Perplexity(), Perplexity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Matrices N(0, 0.02²), biases 0."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                init.zeros_(parameter)

    def forward(self, input: Tensor) -> Tensor:
        x = self.dropout(self.norm(self.positions(self.embedding(input))))
        for block in self.blocks:
            x = block(x, None)
        return self.output(self.transform(x))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        covered, chosen = batch
        loss = self.loss(self(covered).flatten(0, 1), chosen.flatten())
        count = (chosen != PAD).sum()
        loss = joint_mean(loss, count)
        self.log("train/loss", loss.detach(), prog_bar=True, on_step=True, on_epoch=True, batch_size=chosen.numel())
        return loss + self.penalty()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("val", self.val_perplexity, batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the logits, which the callback `Filled` reads."""
        return self._evaluate("test", self.test_perplexity, batch)

    def _evaluate(self, stage: str, perplexity: Perplexity, batch: tuple[Tensor, Tensor]) -> Tensor:
        covered, chosen = batch
        logits = self(covered)
        flat, words = logits.flatten(0, 1), chosen.flatten()
        log_found(self, stage, perplexity, self.loss(flat, words), flat, words)
        return logits

    def check(self, data: Any) -> None:
        if data.length > self.context:
            raise UsageError(f"data.length={data.length}: longer than model.context={self.context}")

    def configure_callbacks(self) -> list[Callback]:
        return [Filled()]
