"""Classify Korean film reviews, look at the probabilities, save the model, and load it without PyTorch."""

from sklearn.metrics import accuracy_score

import timesteps
from timesteps.data.source import open_source
from timesteps.data.split import split_rows

reviews = open_source("sample")  # 4,000 reviews; labels "1" (liked it) and "0"
texts, labels = reviews.texts, reviews.labels
train, held_out = split_rows(texts, labels, fraction=0.2, seed=1)  # equal texts stay on one side

model = timesteps.Classifier(random_state=0)
model.fit([texts[i] for i in train], [labels[i] for i in train])
answers = model.predict([texts[i] for i in held_out])
print(f"accuracy on {len(held_out)} held-out reviews: {accuracy_score([labels[i] for i in held_out], answers):.3f}")

model.save("reviews.safetensors")
session = timesteps.load("reviews.safetensors")  # from here on numpy is enough
for text in ["정말 재미있고 감동적인 영화였어요", "시간이 아까운 지루한 영화"]:
    print(f"{session.predict_proba([text])[0, 1]:.3f}  {text}")
