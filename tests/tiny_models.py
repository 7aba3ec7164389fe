"""Tiny random base models with a byte-level tokenizer: they train in seconds, and every part of the workbench can
use them where no downloaded model is at hand.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

PAD, SYSTEM, USER, ASSISTANT, END = "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL_TOKENS = [PAD, SYSTEM, USER, ASSISTANT, END]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
CONTEXT = 512
_SENTENCES = (
    "Read the message and answer with its class.",
    "Which words of the text are names of places or people?",
    "The quick brown fox jumps over the lazy dog.",
    "Is the review positive or negative? It is negative.",
    "Write a short summary of the report in one sentence.",
    "What is the sum of 12 and 30? The sum is 42.",
    "Please book a table for two people at seven in the evening.",
    "The answer is yes. The answer is no.",
)


def build_tokenizer(chat: bool) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 512 tokens; a chat tokenizer ends turns with <|end|>, the other one all
    text.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=SPECIAL_TOKENS,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(_SENTENCES, trainer)
    if not chat:
        end = tokenizer.token_to_id(END)
        tokenizer.post_processor = TemplateProcessing(single=f"$A {END}", special_tokens=[(END, end)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        model_max_length=CONTEXT,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
    )
    if chat:
        fast.chat_template = CHAT_TEMPLATE
    return fast


def build_tiny_llama(folder: Path, seed: int = 0, width: int = 64, layers: int = 2) -> Path:
    """A random Llama (about 0.2 M parameters) with grouped keys and values, saved to `folder`."""
    tokenizer = build_tokenizer(chat=True)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _save(LlamaForCausalLM(config), tokenizer, folder)


def build_tiny_t5(folder: Path, seed: int = 0, width: int = 64, layers: int = 2) -> Path:
    """A random T5 of the gated kind (about 0.3 M parameters), saved to `folder`."""
    tokenizer = build_tokenizer(chat=False)
    config = T5Config(  # type: ignore[call-arg]
        vocab_size=len(tokenizer),
        d_model=width,
        d_kv=width // 4,
        d_ff=2 * width,
        num_layers=layers,
        num_decoder_layers=layers,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        n_positions=CONTEXT,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _save(T5ForConditionalGeneration(config), tokenizer, folder)


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
