"""TorchMetrics: classification, regression, pictures, text, collections, trackers, a plot, pickling."""

import json
import pickle

import torch
from torchmetrics import (
    AUROC,
    Accuracy,
    ConfusionMatrix,
    F1Score,
    MeanSquaredError,
    MetricCollection,
    PearsonCorrCoef,
    R2Score,
)
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure
from torchmetrics.text import BLEUScore, Perplexity
from torchmetrics.wrappers import MetricTracker

g = torch.Generator().manual_seed(0)
scores = torch.rand(40, 4, generator=g).softmax(1)
labels = torch.randint(0, 4, (40,), generator=g)
x = torch.randn(40, generator=g)
y = x + torch.randn(40, generator=g) * 0.3
picture = torch.rand(2, 3, 32, 32, generator=g)
noisy = picture + torch.rand(2, 3, 32, 32, generator=g) * 0.1
found = {}

kinds = dict(task="multiclass", num_classes=4)
both = MetricCollection([Accuracy(**kinds), F1Score(**kinds, average="macro"), AUROC(**kinds)])
both.update(scores[:20], labels[:20])
both.update(scores[20:], labels[20:])
found.update({name: value.item() for name, value in both.compute().items()})
for metric in [MeanSquaredError(), R2Score(), PearsonCorrCoef()]:
    metric.update(x[:20], y[:20])
    metric(x[20:], y[20:])
    found[type(metric).__name__] = metric.compute().item()
found["psnr"] = PeakSignalNoiseRatio(data_range=1.0)(noisy, picture).item()
found["ssim"] = StructuralSimilarityIndexMeasure(data_range=1.0)(noisy, picture).item()
found["bleu"] = BLEUScore()(["the cat is on the mat"], [["there is a cat on the mat", "a cat is on the mat"]]).item()
found["perplexity"] = Perplexity()(scores.reshape(4, 10, 4).log(), labels.reshape(4, 10)).item()
tracker = MetricTracker(MeanSquaredError(), maximize=False)
for shift in (1, 0, 2):
    tracker.increment()
    tracker.update(x, y + shift)
found["tracked"] = tracker.best_metric(return_step=True)
matrix = ConfusionMatrix(**kinds)
matrix.update(scores, labels)
figure, _ = matrix.plot()
found["confusion"] = pickle.loads(pickle.dumps(matrix)).compute().tolist()
print(json.dumps(found))
