"""The starter flow model's two tokenizers, whose vocabulary is the captions' words."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import log
from typing import Any

import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTokenizer, CLIPTokenizerFast, T5Tokenizer, T5TokenizerFast

CLIP_LENGTH = 77
_BOS, _EOS = "<|startoftext|>", "<|endoftext|>"
_TRANSFORMERS_4 = transformers.__version__.startswith("4.")


def clip_tokenizer(texts: Iterable[str]) -> CLIPTokenizer:
    """Return a CLIP tokenizer (byte-level BPE, lower case) in which every word of `texts` is one token."""
    words = Counter(word for text in texts for word in re.findall("[a-z]+", text.lower()))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = word_merges(words)
    pieces = [_BOS, _EOS, *alphabet, *(c + "</w>" for c in alphabet), *(a + b for a, b in merges)]
    # Different pairs may give one piece.
    vocab = {piece: k for k, piece in enumerate(dict.fromkeys(pieces))}
    if _TRANSFORMERS_4:
        return _clip_of_transformers_4(vocab, merges)
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=CLIP_LENGTH)


def word_merges(words: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return the merges of byte-pair encoding, the most frequent pair first, until every word is one piece.

    Ties go by the alphabet. (The trainer of `tokenizers` leaves them to chance, and a run could not go on.)
    """
    split = {word: [*word[:-1], word[-1] + "</w>"] for word in sorted(words)}
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in split.items():
            for pair in pairwise(pieces):
                pairs[pair] += words[word]
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for pieces in split.values():
            k = 0
            while k < len(pieces) - 1:
                if (pieces[k], pieces[k + 1]) == best:
                    pieces[k : k + 2] = ["".join(best)]
                k += 1


def t5_tokenizer(texts: Iterable[str]) -> T5Tokenizer:
    """Return a T5 tokenizer whose pieces are the words of `texts` and, for all else, single characters."""
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word.rstrip(".,:") for word in text.split())
    words.update(word.capitalize() for word in list(words))
    total = sum(words.values())
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [("\u2581" + word, log(n / total)) for word, n in sorted(words.items()) if len(word) > 0]
    known = {piece for piece, _ in pieces}
    # A word costs less than its letters, so letters are for words that were never seen.
    pieces += [(c, -20.0) for c in string.printable.strip() if c not in known]
    pieces += [("\u2581", -20.0)]
    if _TRANSFORMERS_4:
        return _t5_of_transformers_4(pieces)
    return T5Tokenizer(vocab=pieces, extra_ids=0)


def _clip_of_transformers_4(vocab: dict[str, int], merges: list[tuple[str, str]]) -> Any:
    # What version 5 builds of the same two; version 4 only reads files.
    tokenizer = Tokenizer(
        models.BPE(vocab, merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=_EOS)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    special = rf"{re.escape(_BOS)}|{re.escape(_EOS)}"
    words = special + r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        (_EOS, vocab[_EOS]), (_BOS, vocab[_BOS]), trim_offsets=False, add_prefix_space=False
    )
    return CLIPTokenizerFast(tokenizer_object=tokenizer, model_max_length=CLIP_LENGTH)


def _t5_of_transformers_4(pieces: list[tuple[str, float]]) -> Any:
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    metaspace = {"replacement": "\u2581", "prepend_scheme": "always", "split": True}
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**metaspace)]
    )
    tokenizer.decoder = decoders.Metaspace(**metaspace)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"], special_tokens=[("</s>", 1)]
    )
    return T5TokenizerFast(tokenizer_object=tokenizer, extra_ids=0)
