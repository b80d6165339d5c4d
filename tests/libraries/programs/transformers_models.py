"""Transformers: BERT and GPT-2 from small random configurations: logits, every way to generate, a short fine-tuning."""

import json
import warnings

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    get_linear_schedule_with_warmup,
    logging,
)

logging.set_verbosity_error()
warnings.simplefilter("ignore")
torch.manual_seed(0)
small = dict(num_hidden_layers=2, num_attention_heads=4, hidden_size=64, vocab_size=200)
bert = BertForSequenceClassification(BertConfig(**small, intermediate_size=128, num_labels=3)).eval()
gpt = GPT2LMHeadModel(GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=200, bos_token_id=1, eos_token_id=2)).eval()
x = torch.randint(3, 200, (4, 12), generator=torch.Generator().manual_seed(3))
mask = torch.ones_like(x)
mask[1, 8:] = 0
found = {}

with torch.no_grad():
    found["bert"] = bert(input_ids=x, attention_mask=mask).logits.flatten().tolist()
    found["gpt"] = gpt(input_ids=x, attention_mask=mask).logits[:, -1].abs().sum(1).tolist()
    bert.set_attn_implementation("eager")
    found["bert_eager"] = bert(input_ids=x, attention_mask=mask, output_attentions=True).logits.flatten().tolist()

WAYS = {
    "greedy": dict(do_sample=False),
    "sample": dict(do_sample=True, top_k=20, temperature=0.8, top_p=0.9),
    "beam": dict(num_beams=3, do_sample=False),
    "rules": dict(do_sample=False, repetition_penalty=1.3, no_repeat_ngram_size=2),
    "several": dict(do_sample=True, num_return_sequences=2),
    "without cache": dict(do_sample=False, use_cache=False),
}
for name, way in WAYS.items():
    torch.manual_seed(5)
    ids = gpt.generate(x[:1], attention_mask=mask[:1], max_new_tokens=8, pad_token_id=0, **way)
    found[name] = ids[:, 12:].tolist()

gpt.save_pretrained("gpt")
found["saved and loaded"] = all(map(torch.equal, GPT2LMHeadModel.from_pretrained("gpt").parameters(), gpt.parameters()))

bert.train()
torch.manual_seed(7)
optimizer = torch.optim.AdamW(bert.parameters(), lr=1e-3)
schedule = get_linear_schedule_with_warmup(optimizer, 2, 10)
found["losses"] = []
for _ in range(10):
    loss = bert(input_ids=x, attention_mask=mask, labels=torch.tensor([0, 1, 2, 1])).loss
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(bert.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    found["losses"].append(loss.item())
print(json.dumps(found))
