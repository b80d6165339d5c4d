"""Sequence to sequence (2014), without and with attention (2015): English sentences become German ones.

The sentences come from a small grammar, but the task is a real one: articles and adjectives agree with nouns that
stand elsewhere, and after "because" the verb goes to the end. On sentences that it has not seen the network with
attention reaches a BLEU of at least 0.9, and at least 0.5 more than the one that must hold all in one state: in the
same time that one learns the grammar, but not to remember which words there were.
"""

import collections
import math
import random

from common import figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, steps=700)
random.seed(chosen.seed)


def dictionary(text: str) -> dict[str, str]:
    """English and German in turn."""
    words = text.split()
    return dict(zip(words[::2], words[1::2]))


GENDERS = {
    "m": dictionary("dog Hund man Mann tree Baum bird Vogel fish Fisch king König"),
    "f": dictionary("cat Katze woman Frau flower Blume town Stadt lamp Lampe queen Königin"),
    "n": dictionary("child Kind house Haus book Buch car Auto horse Pferd picture Bild"),
}
NOUNS = [(english, german, gender) for gender, nouns in GENDERS.items() for english, german in nouns.items()]
VERBS = dictionary("sees sieht finds findet loves liebt hears hört seeks sucht paints malt knows kennt")
ADJECTIVES = dictionary("small klein old alt red rot young jung new neu white weiß beautiful schön")
# endings of articles and adjectives; an object differs from a subject only where it is masculine
DEFINITE = {"m": ("der", "e"), "f": ("die", "e"), "n": ("das", "e"), "m object": ("den", "en")}
INDEFINITE = {"m": ("ein", "er"), "f": ("eine", "e"), "n": ("ein", "es"), "m object": ("einen", "en")}


def noun(role: str) -> tuple[str, str]:
    """A noun with its article and adjective, in both languages."""
    english, german, gender = random.choice(NOUNS)
    form = "m object" if gender == "m" and role == "object" else gender
    article, table = random.choice([("the", DEFINITE), ("a", INDEFINITE)])
    adjective = random.choice(list(ADJECTIVES))
    return f"{article} {adjective} {english}", f"{table[form][0]} {ADJECTIVES[adjective]}{table[form][1]} {german}"


def clause(verb_last: bool) -> tuple[str, str]:
    subject, verb, thing = noun("subject"), random.choice(list(VERBS)), noun("object")
    german = [subject[1], thing[1], VERBS[verb]] if verb_last else [subject[1], VERBS[verb], thing[1]]
    return f"{subject[0]} {verb} {thing[0]}", " ".join(german)


def sentence() -> tuple[str, str]:
    """Up to three clauses, in English and in German."""
    english, german = clause(verb_last=False)
    for _ in range(random.randrange(3)):
        joint, translated, verb_last = random.choice([("and", "und", False), ("because", "weil", True)])
        more = clause(verb_last)
        english, german = f"{english} {joint} {more[0]}", f"{german} {translated} {more[1]}"
    return english, german


SPECIAL = ["<pad>", "<start>", "<end>"]
PAD, START, END = range(3)
ENGLISH = SPECIAL + sorted({"a", "the", "and", "because", *VERBS, *ADJECTIVES, *(noun[0] for noun in NOUNS)})
ENDINGS = {adjective + ending for adjective in ADJECTIVES.values() for ending in ("e", "en", "er", "es")}
ARTICLES = {article for table in (DEFINITE, INDEFINITE) for article, _ in table.values()}
GERMAN = SPECIAL + sorted({"und", "weil", *VERBS.values(), *ENDINGS, *ARTICLES, *(noun[1] for noun in NOUNS)})
LENGTH = 3 * 7 + 2


def codes(english: str, german: str) -> tuple[list[int], list[int]]:
    """The words' codes; padding stands before the English ones, so that the last is always read last."""
    x = [ENGLISH.index(word) for word in english.split()]
    y = [START, *(GERMAN.index(word) for word in german.split()), END]
    return [PAD] * (LENGTH + 1 - len(x)) + x, y + [PAD] * (LENGTH + 2 - len(y))


def pairs(count: int, seen: set[str] = frozenset()) -> tuple[list[tuple[str, str]], torch.Tensor, torch.Tensor]:
    """Sentences that are not among `seen`, and their codes [N, LENGTH + 1] and [N, LENGTH + 2]."""
    texts: list[tuple[str, str]] = []
    while len(texts) < count:
        texts += [text for text in [sentence()] if text[0] not in seen]
    x, y = zip(*(codes(*text) for text in texts))
    return texts, torch.tensor(x), torch.tensor(y)


class Translator(nn.Module):
    """A network reads the English both ways and hands its last state to another one, which writes German.

    With attention it also looks back at every word, for each word that it writes (Luong et al. 2015).
    """

    def __init__(self, attention: bool, width: int = 96) -> None:
        super().__init__()
        self.english, self.german = nn.Embedding(len(ENGLISH), 32), nn.Embedding(len(GERMAN), 32)
        self.read = nn.GRU(32, width // 2, bidirectional=True, batch_first=True)
        self.write = nn.GRU(32, width, batch_first=True)
        self.ask = nn.Linear(width, width, bias=False) if attention else None
        self.scores = nn.Linear(2 * width if attention else width, len(GERMAN))

    def look(self, x: torch.Tensor, source: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """How much of each word of x [N, S] is looked at when each word is written: [N, T, S]."""
        fits = self.ask(states) @ source.transpose(1, 2)
        return fits.masked_fill((x == PAD).unsqueeze(1), -1e9).softmax(-1)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scores [N, T, words] of what follows each of the words y, and where the network looked."""
        source, last = self.read(self.english(x))
        states, _ = self.write(self.german(y), last.transpose(0, 1).flatten(1).unsqueeze(0))
        if self.ask is None:
            return self.scores(states), None
        looks = self.look(x, source, states)
        return self.scores(torch.cat([states, looks @ source], -1)), looks

    @torch.no_grad()
    def translate(self, x: torch.Tensor) -> list[list[str]]:
        y = torch.full((len(x), 1), START)
        for _ in range(LENGTH):
            scores, _ = self(x, y)
            y = torch.cat([y, scores[:, -1].argmax(-1, keepdim=True)], 1)
        rows = [row[1:] for row in y.tolist()]
        return [[GERMAN[i] for i in row[: row.index(END) if END in row else LENGTH]] for row in rows]


def bleu(answers: list[list[str]], references: list[list[str]]) -> float:
    """How many runs of one to four words of the answers are in the references too (Papineni et al. 2002), 0 to 1."""

    def runs(words: list[str], n: int) -> collections.Counter:
        return collections.Counter(zip(*(words[i:] for i in range(n))))

    logs = []
    for n in range(1, 5):
        both = [(runs(a, n), runs(r, n)) for a, r in zip(answers, references)]
        shared, total = sum((a & r).total() for a, r in both), sum(a.total() for a, _ in both)
        logs.append(math.log(max(shared, 1e-9) / max(total, 1)))
    # who writes little makes few mistakes: short answers are worth less
    written, wanted = sum(map(len, answers)), sum(map(len, references))
    return math.exp(sum(logs) / 4 + min(0.0, 1 - wanted / max(written, 1)))


def trained(attention: bool) -> tuple[Translator, list[float]]:
    torch.manual_seed(chosen.seed)
    model = Translator(attention)
    steps = 2 if chosen.quick else chosen.steps
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    losses = []
    for step in range(steps):
        _, x, y = pairs(64, unseen)
        loss = nn.functional.cross_entropy(model(x, y[:, :-1])[0].flatten(0, 1), y[:, 1:].flatten(), ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 100 == 99:
            print(f"attention {attention}   step {step + 1}   loss {losses[-1]:.4f}", flush=True)
    return model.eval(), losses


tests, test_x, test_y = pairs(20 if chosen.quick else 300)
unseen = {english for english, _ in tests}
references = [german.split() for _, german in tests]
found = {}
drawn, (left, right) = figure(1, 2, size=(9, 4.2))
for attention in (False, True):
    model, losses = trained(attention)
    answers = model.translate(test_x)
    found[attention] = bleu(answers, references)
    print(f"{tests[0][0]}\n  is: {' '.join(references[0])}\n  translated: {' '.join(answers[0])}", flush=True)
    left.semilogy(losses, label=f"with{'' if attention else 'out'} attention, BLEU {found[attention]:.3f}")
left.set(xlabel="step", ylabel="loss of a word")
left.legend(fontsize=8)
with torch.no_grad():
    looks = model(test_x[:1], test_y[:1, :-1])[1][0]
words, written = tests[0][0].split(), references[0]
right.imshow(looks[: len(written), -len(words) :].numpy(), cmap="Greys", aspect="auto")
right.set_xticks(range(len(words)), words, rotation=90, fontsize=7)
right.set_yticks(range(len(written)), written, fontsize=7)
right.set_title("where the network looks as it writes", fontsize=9)
save(drawn, chosen)
report(chosen, "BLEU with attention", found[True], at_least=0.9)
report(chosen, "BLEU gained by attention", found[True] - found[False], at_least=0.5)
