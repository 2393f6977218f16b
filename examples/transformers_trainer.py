"""Selection in a Transformers `Trainer`: another class, one argument more; the text classifier is trained from scratch.

Run it: python examples/transformers_trainer.py
"""

import random
import tempfile

from rheostat.integrations.transformers import Selection, SelectiveTrainer
from rheostat.select import SelectiveBackprop

# ruff: isort: split
from tokenizers import Tokenizer, models, pre_tokenizers  # after rheostat, which repairs what transformers imports
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    TrainingArguments,
    set_seed,
)

PAD, UNKNOWN = "[PAD]", "[UNK]"
TOPICS = [["rain", "wind", "cloud", "storm"], ["oven", "bread", "salt", "knife"], ["drum", "chord", "tune", "choir"]]
OTHERS = ["the", "a", "some", "today", "here", "again", "perhaps", "with", "of", "and", "very", "much", "old", "new"]


def sentences(number: int, draw: random.Random) -> list[tuple[str, int]]:
    """Sentences of 4 to 16 words, two of which belong to their topic."""
    made = []
    for _ in range(number):
        topic = draw.randrange(len(TOPICS))
        words = draw.choices(OTHERS, k=draw.randint(2, 14)) + draw.choices(TOPICS[topic], k=2)
        made.append((" ".join(draw.sample(words, len(words))), topic))
    return made


def main(epochs: int = 10) -> float:
    """Train a small BERT on sentences of three topics and return its test error, in [0, 1]."""
    set_seed(0)
    vocabulary = [PAD, UNKNOWN, *OTHERS, *(word for words in TOPICS for word in words)]
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(vocabulary)}, UNKNOWN))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token=PAD, unk_token=UNKNOWN)
    draw = random.Random(0)
    train, test = (
        [{**tokenizer(text), "labels": topic} for text, topic in sentences(number, draw)] for number in (400, 200)
    )
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(vocabulary), num_labels=len(TOPICS), pad_token_id=0, **shape)

    with tempfile.TemporaryDirectory() as folder:
        options = {"per_device_train_batch_size": 16, "num_train_epochs": epochs, "learning_rate": 3e-3}
        options |= {"report_to": "none", "save_strategy": "no", "disable_tqdm": True, "dataloader_pin_memory": False}
        trainer = SelectiveTrainer(
            BertForSequenceClassification(config),
            TrainingArguments(folder, **options),
            DataCollatorWithPadding(tokenizer),
            train,
            selection=Selection(SelectiveBackprop(floor=0.1)),  # the one new argument
        )
        trainer.train()
        found = trainer.predict(test)
    stats, error = trainer.stats, float((found.predictions.argmax(1) != found.label_ids).mean())
    print(f"{stats.candidates:,} candidates, {stats.backwards:,} backwards, test error {error:.2%}")
    return error


if __name__ == "__main__":
    main()
