"""Lightning: fit with callbacks and loggers, validate, test the best checkpoint, predict, go on from a checkpoint."""

import json

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, StochasticWeightAveraging
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchmetrics.classification import MulticlassAccuracy


class Net(L.LightningModule):
    def __init__(self, width=32, lr=1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, 3))
        self.accuracy = MulticlassAccuracy(num_classes=3)

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        loss = F.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, index):
        scores = self(batch[0])
        self.accuracy(scores, batch[1])
        self.log("val_loss", F.cross_entropy(scores, batch[1]))
        self.log("val_acc", self.accuracy, prog_bar=True)

    def test_step(self, batch, index):
        self.accuracy(self(batch[0]), batch[1])
        self.log("test_acc", self.accuracy)

    def predict_step(self, batch, index):
        return self(batch[0]).argmax(1)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)]


class Points(L.LightningDataModule):
    def setup(self, stage):
        g = torch.Generator().manual_seed(0)
        x = torch.randn(600, 8, generator=g)
        y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
        self.parts = random_split(TensorDataset(x, y), [400, 100, 100], generator=g)

    def train_dataloader(self):
        return DataLoader(self.parts[0], batch_size=32, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], batch_size=50)

    def test_dataloader(self):
        return DataLoader(self.parts[2], batch_size=50)

    predict_dataloader = test_dataloader


L.seed_everything(1)
best = ModelCheckpoint("checkpoints", monitor="val_acc", mode="max", save_last=True)
callbacks = [best, EarlyStopping("val_loss", patience=10), LearningRateMonitor()]
trainer = L.Trainer(max_epochs=4, accelerator="cpu", callbacks=callbacks, logger=CSVLogger(".", "csv"), log_every_n_steps=5,
                    gradient_clip_val=1.0)  # fmt: skip
model, points = Net(), Points()
trainer.fit(model, datamodule=points)
(validated,) = trainer.validate(model, datamodule=points)
(tested,) = trainer.test(ckpt_path="best", datamodule=points)
predicted = torch.cat(trainer.predict(model, datamodule=points))

again = Net.load_from_checkpoint(best.best_model_path)
longer = L.Trainer(max_epochs=6, accelerator="cpu", logger=False, enable_progress_bar=False,
                   callbacks=[StochasticWeightAveraging(1e-2)])  # fmt: skip
longer.fit(again, datamodule=points, ckpt_path=best.last_model_path)
print()
print(json.dumps({
    "val_loss": validated["val_loss"], "val_acc": validated["val_acc"], "test_acc": tested["test_acc"],
    "predicted": predicted.tolist()[:20], "best": best.best_model_path.split("/")[-1], "width": again.hparams.width,
    "steps": longer.global_step, "longer": longer.callback_metrics["val_loss"].item(),
}))  # fmt: skip
