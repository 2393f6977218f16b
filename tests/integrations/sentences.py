"""A small text task: four topics, each with words of its own among words of all, in sentences of 4 to 24 words."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

from rheostat.integrations.transformers import Selection, SelectiveTrainer

TOPICS, SIZE, BATCH = 4, 160, 8
VOCABULARY = 64  # 0 pads, 1 to 20 belong to a topic, the others to none


def sentences(size: int = SIZE, seed: int = 0) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int, number: int) -> list[int]:
        return torch.randint(low, high, (number,), generator=generator).tolist()

    data = []
    for label in draw(0, TOPICS, size):
        words = draw(21, VOCABULARY, draw(2, 22, 1)[0]) + draw(1 + 5 * label, 6 + 5 * label, 2)
        order = torch.randperm(len(words), generator=generator).tolist()
        data.append({"input_ids": [words[at] for at in order], "labels": label})
    return data


def padded(features: list[dict[str, Any]]) -> dict[str, Tensor]:
    longest = max(len(one["input_ids"]) for one in features)
    rows = [one["input_ids"] + [0] * (longest - len(one["input_ids"])) for one in features]
    words = torch.tensor(rows)
    labels = torch.tensor([one["labels"] for one in features])
    return {"input_ids": words, "attention_mask": (words != 0).long(), "labels": labels}


def classifier(dropout: float = 0.0) -> BertForSequenceClassification:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        num_labels=TOPICS,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return BertForSequenceClassification(config)


def arguments(folder: Path, **options: Any) -> TrainingArguments:
    usual: dict[str, Any] = {
        "per_device_train_batch_size": BATCH,
        "num_train_epochs": 2,
        "learning_rate": 3e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
    return TrainingArguments(str(folder), **{**usual, **options})


def plain(folder: Path, model: Any = None, **options: Any) -> Trainer:
    return Trainer(model or classifier(), arguments(folder, **options), padded, sentences())


def selective(folder: Path, selection: Selection, model: Any = None, *, made_by: Any = None, **options: Any) -> Any:
    made_by = made_by or SelectiveTrainer
    return made_by(model or classifier(), arguments(folder, **options), padded, sentences(), selection=selection)


def weights(trainer: Trainer) -> list[Tensor]:
    return [value.clone() for value in trainer.model.state_dict().values()]


def rates(trainer: Trainer) -> list[float]:
    return [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]


def error(trainer: Trainer) -> float:
    found = trainer.predict(sentences(200, seed=1))
    return float((found.predictions.argmax(1) != found.label_ids).mean())
