"""Token ids instead of texts: rows as Keras' data sets give them, read by a GRU. Which row holds the token 7 twice?"""

import numpy as np

from timesteps import Classifier

random = np.random.default_rng(0)
rows, labels = [], []
for _ in range(600):  # 0 is padding, 1 start and 2 out of vocabulary, so that tokens begin at 3
    row = random.integers(8, 20, size=random.integers(5, 15)).tolist()
    for place in random.choice(len(row), size=int(random.integers(1, 3)), replace=False):
        row[place] = 7
    rows.append([1, *row])
    labels.append("twice" if row.count(7) == 2 else "once")

model = Classifier(
    cell="gru",
    hidden_size=16,
    embedding_size=8,
    epochs=12,
    learning_rate=0.01,
    input_dropout=0.0,
    dropout=0.0,
    random_state=0,
)
model.fit(rows[:500], labels[:500])
print(f"accuracy on 100 other rows: {model.score(rows[500:], labels[500:]):.2f}")
print(model.predict([[1, 9, 7, 12, 7, 10], [1, 9, 12, 7, 10, 11, 13]]))
