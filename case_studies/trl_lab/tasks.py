"""The tasks of the laboratory: one of eight symbols is asked for, one of eleven words answers, a verifier may err.

``copy``: right is the symbol itself. ``graded``: the symbols differ in difficulty, by how many words are right, and
near answers earn half; nothing but chance tells a symbol which. A verifier that errs turns a score s into 1 - s.
"""

import random
from collections.abc import Mapping

SYMBOLS = 8
WORDS = ["<pad>", "<eos>", "=", *[f"s{n}" for n in range(SYMBOLS)]]

#: Score of each word that earns something, by symbol.
Task = Mapping[str, Mapping[str, float]]


def _graded() -> dict[str, dict[str, float]]:
    """Symbol n has 1, 1, 1, 2, 2, 3, 3 or 4 right words and as many near ones, drawn once and for all."""
    draw = random.Random(535)
    scores = {}
    for n, right in enumerate((1, 1, 1, 2, 2, 3, 3, 4)):
        words = draw.sample(WORDS, 2 * right)
        scores[f"s{n}"] = {word: 1.0 if place < right else 0.5 for place, word in enumerate(words)}
    return scores


TASKS: dict[str, Task] = {
    "copy": {f"s{n}": {f"s{n}": 1.0} for n in range(SYMBOLS)},
    "graded": _graded(),
}


def prompts(count: int, seed: int) -> list[str]:
    """So many prompts, drawn with equal probability."""
    draw = random.Random(seed)
    return [f"s{draw.randrange(SYMBOLS)} =" for _ in range(count)]


def verifier(task: Task, error: float, seed: int):
    """The reward function: it reads the answer's token, so that special words count as words."""
    draw = random.Random(seed)

    def reward(prompts, completion_ids, **_):
        scores = [task[p.split()[0]].get(WORDS[ids[0]], 0.0) for p, ids in zip(prompts, completion_ids, strict=True)]
        return [1 - score if draw.random() < error else score for score in scores]

    return reward


def expectation(trainer, tokenizer, task: Task, error: float):
    """A callback that logs ``expected_reward`` after each update, computed from the policy's own probabilities."""
    import torch
    from transformers import TrainerCallback

    symbols = list(task)
    table = torch.tensor([[task[symbol].get(word, 0.0) for word in WORDS] for symbol in symbols])
    table = (1 - 2 * error) * table + error
    asked = tokenizer([f"{symbol} =" for symbol in symbols], return_tensors="pt", add_special_tokens=False)

    class Expectation(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **_):
            with torch.no_grad():
                inputs = {key: asked[key].to(model.device) for key in ("input_ids", "attention_mask")}
                p = model(**inputs).logits[:, -1].softmax(-1)
            expected = (p * table.to(p.device)).sum(-1)
            trainer._metrics["train"]["expected_reward"].append(float(expected.mean()))
            norm = torch.sqrt(sum(w.detach().square().sum() for w in model.parameters()))
            trainer._metrics["train"]["weight_norm"].append(float(norm))

    return Expectation()
