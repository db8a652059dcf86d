"""Models of the package transformers, small and with random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from module_case import Case
from torch import nn

from taoism import errors

# What most configurations call their sizes.
SMALL = {
    "vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "max_position_embeddings": 32,
}  # fmt: skip
DECODER = {
    **SMALL,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
PIXELS = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "image_size": 16,
    "patch_size": 8,
}  # fmt: skip

BOTH = {
    "vocab_size": 60, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24,
}  # fmt: skip
HEARING = {
    "vocab_size": 12, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24,
    "conv_dim": [8, 8], "conv_stride": [5, 4], "conv_kernel": [10, 5], "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
GPT2 = {"vocab_size": 60, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}


def made(config: str, model: str, **sizes: Any) -> Callable[[], nn.Module]:
    """A model by the names of its classes."""

    def make() -> nn.Module:
        import transformers

        network = getattr(transformers, model)(getattr(transformers, config)(**sizes))
        for (
            parameter
        ) in network.parameters():  # some start with zeros, which hide what is after them
            if parameter.dim() >= 2 and not parameter.any():
                nn.init.normal_(parameter, std=0.2)
        return network

    return make


def words(length: int = 6, **more: Any) -> Callable[[int], dict[str, Any]]:
    """A tokenizer's answer, the last words of it padding."""

    def inputs(batch: int) -> dict[str, Any]:
        ids = torch.randint(3, 60, (batch, length))
        mask = torch.ones(batch, length, dtype=torch.long)
        mask[:, length - 1 :] = 0
        return {"input_ids": ids, "attention_mask": mask, **more}

    return inputs


def images(side: int = 16, **more: Any) -> Callable[[int], dict[str, Any]]:
    return lambda batch: {"pixel_values": torch.randn(batch, 3, side, side), **more}


def sound(*shape: int, name: str = "input_values") -> Callable[[int], dict[str, Any]]:
    return lambda batch: {name: torch.randn(batch, *shape)}


def translation(batch: int) -> dict[str, Any]:
    return {
        **words(6)(batch),
        "decoder_input_ids": torch.randint(3, 60, (batch, 4)),
        "use_cache": False,
    }


def encoder(config: str, model: str, **sizes: Any) -> Case:
    return Case(made(config, model, **{**SMALL, **sizes}), words())


def decoder(config: str, model: str, **sizes: Any) -> Case:
    return Case(made(config, model, **{**DECODER, **sizes}), words(use_cache=False))


def vision(config: str, model: str, side: int = 16, **sizes: Any) -> Case:
    return Case(made(config, model, **{**PIXELS, **sizes}), images(side))


LANGUAGE = {
    "BERT": encoder("BertConfig", "BertModel"),
    "BERT that classifies": encoder("BertConfig", "BertForSequenceClassification"),
    "BERT that answers": encoder("BertConfig", "BertForQuestionAnswering"),
    "BERT that fills in": encoder("BertConfig", "BertForMaskedLM"),
    "BERT with all it has": Case(made("BertConfig", "BertModel", **SMALL, attn_implementation="eager"), words(output_hidden_states=True, output_attentions=True)),
    "RoBERTa": encoder("RobertaConfig", "RobertaModel"),
    "XLM-RoBERTa": encoder("XLMRobertaConfig", "XLMRobertaForTokenClassification"),
    "DistilBERT": Case(made("DistilBertConfig", "DistilBertModel", vocab_size=60, dim=16, n_layers=2, n_heads=2, hidden_dim=24), words()),
    "ALBERT": encoder("AlbertConfig", "AlbertModel", embedding_size=8),
    "ELECTRA": encoder("ElectraConfig", "ElectraModel", embedding_size=8),
    "CamemBERT": encoder("CamembertConfig", "CamembertModel"),
    "DeBERTa": encoder("DebertaConfig", "DebertaModel", relative_attention=True, pos_att_type=["c2p", "p2c"]),
    "DeBERTa-v2": encoder("DebertaV2Config", "DebertaV2Model", relative_attention=True, pos_att_type=["c2p", "p2c"]),
    "MPNet": encoder("MPNetConfig", "MPNetModel"),
    "MobileBERT": encoder("MobileBertConfig", "MobileBertModel", embedding_size=16, true_hidden_size=16, intra_bottleneck_size=16, num_feedforward_networks=2),
    "SqueezeBERT": encoder("SqueezeBertConfig", "SqueezeBertModel", embedding_size=16, q_groups=2, k_groups=2, v_groups=2, post_attention_groups=1, intermediate_groups=2, output_groups=2),
    "Funnel": Case(made("FunnelConfig", "FunnelBaseModel", vocab_size=60, block_sizes=[1, 1], d_model=16, n_head=2, d_head=8, d_inner=24), words(8)),
    "XLNet": Case(made("XLNetConfig", "XLNetModel", vocab_size=60, d_model=16, n_layer=2, n_head=2, d_inner=24), words(), refused=(errors.UnsupportedError, "EyeLike.*is not supported")),
    "LayoutLM": encoder("LayoutLMConfig", "LayoutLMModel"),
    "ModernBERT": encoder("ModernBertConfig", "ModernBertModel", pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2),
    "RoFormer": encoder("RoFormerConfig", "RoFormerModel", embedding_size=16),
    "ConvBERT": encoder("ConvBertConfig", "ConvBertModel", embedding_size=16, head_ratio=1, conv_kernel_size=3),
    "FNet": Case(made("FNetConfig", "FNetModel", **{k: v for k, v in SMALL.items() if "heads" not in k}), lambda b: {"input_ids": torch.randint(3, 60, (b, 6))}, refused=(errors.UnsupportedError, "DFT.*is not supported")),
    "Nystromformer": encoder("NystromformerConfig", "NystromformerModel", segment_means_seq_len=6, num_landmarks=6),
    "LED encoder": Case(made("LEDConfig", "LEDModel", **BOTH, attention_window=[4], max_encoder_position_embeddings=64), translation, refused=(errors.ControlFlowError, "LEDEncoderSelfAttention.*depends on values")),
    "GPT-2": Case(made("GPT2Config", "GPT2LMHeadModel", **GPT2), words(use_cache=False)),
    "GPT-2 that keeps a cache": Case(made("GPT2Config", "GPT2Model", **GPT2), words(), refused=(errors.ExportError, r"use_cache=False")),
    "GPT-Neo": Case(made("GPTNeoConfig", "GPTNeoModel", vocab_size=60, hidden_size=16, num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]], max_position_embeddings=32, window_size=4), words(use_cache=False)),
    "GPT-NeoX": decoder("GPTNeoXConfig", "GPTNeoXForCausalLM"),
    "GPT-J": Case(made("GPTJConfig", "GPTJModel", **GPT2, rotary_dim=4), words(use_cache=False)),
    "OPT": Case(made("OPTConfig", "OPTModel", vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, ffn_dim=24, max_position_embeddings=32, word_embed_proj_dim=16), words(use_cache=False)),
    "BLOOM": Case(made("BloomConfig", "BloomModel", vocab_size=60, hidden_size=16, n_layer=2, n_head=2), words(use_cache=False)),
    "LLaMA": decoder("LlamaConfig", "LlamaForCausalLM"),
    "Mistral": decoder("MistralConfig", "MistralModel", sliding_window=4),
    "Mixtral": Case(made("MixtralConfig", "MixtralModel", **DECODER, num_local_experts=3, num_experts_per_tok=2), words(use_cache=False), refused=(errors.ExportError, r"MixtralExperts.*transformers\.grouped_mm_fallback")),
    "Qwen2": decoder("Qwen2Config", "Qwen2ForCausalLM"),
    "Qwen3": decoder("Qwen3Config", "Qwen3Model"),
    "Gemma": decoder("GemmaConfig", "GemmaModel"),
    "Gemma 2": decoder("Gemma2Config", "Gemma2Model", sliding_window=4),
    "Phi": decoder("PhiConfig", "PhiModel", num_key_value_heads=2),
    "Phi-3": decoder("Phi3Config", "Phi3Model"),
    "Falcon": Case(made("FalconConfig", "FalconModel", vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2), words(use_cache=False)),
    "StableLM": decoder("StableLmConfig", "StableLmModel", num_key_value_heads=2),
    "StarCoder 2": decoder("Starcoder2Config", "Starcoder2Model"),
    "OLMo": decoder("OlmoConfig", "OlmoModel"),
    "Cohere": decoder("CohereConfig", "CohereModel"),
    "Mamba": Case(made("MambaConfig", "MambaModel", vocab_size=60, hidden_size=16, num_hidden_layers=1, state_size=4), lambda b: {"input_ids": torch.randint(3, 60, (b, 6)), "use_cache": False}),
    "T5 encoder": Case(made("T5Config", "T5EncoderModel", vocab_size=60, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2), words()),
    "T5": Case(made("T5Config", "T5Model", vocab_size=60, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2), translation),
    "BART": Case(made("BartConfig", "BartModel", **BOTH, max_position_embeddings=32), translation),
    "Marian": Case(made("MarianConfig", "MarianModel", **BOTH, max_position_embeddings=32, pad_token_id=59, decoder_start_token_id=59), translation),
    "M2M-100": Case(made("M2M100Config", "M2M100Model", **BOTH, max_position_embeddings=32), translation),
}  # fmt: skip

SIGHT_AND_SOUND = {
    "ViT": vision("ViTConfig", "ViTModel"),
    "ViT that classifies": vision("ViTConfig", "ViTForImageClassification"),
    "DeiT": vision("DeiTConfig", "DeiTModel"),
    "BEiT": vision("BeitConfig", "BeitModel"),
    "DINOv2": vision("Dinov2Config", "Dinov2Model"),
    "YOLOS": vision("YolosConfig", "YolosForObjectDetection", image_size=[16, 16], num_detection_tokens=4),
    "DPT": Case(made("DPTConfig", "DPTModel", **PIXELS, backbone_out_indices=[0, 1, 1, 1]), images()),
    "Swin": Case(made("SwinConfig", "SwinModel", image_size=32, patch_size=4, embed_dim=8, depths=[1, 2], num_heads=[2, 2], window_size=4), images(32)),
    "Swin v2": Case(made("Swinv2Config", "Swinv2Model", image_size=32, patch_size=4, embed_dim=8, depths=[1, 2], num_heads=[2, 2], window_size=4), images(32)),
    "ConvNeXt": Case(made("ConvNextConfig", "ConvNextForImageClassification", hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1]), images(32)),
    "ConvNeXt v2": Case(made("ConvNextV2Config", "ConvNextV2Model", hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1]), images(32)),
    "ResNet": Case(made("ResNetConfig", "ResNetForImageClassification", embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1]), images(32)),
    "RegNet": Case(made("RegNetConfig", "RegNetModel", embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], groups_width=8), images(32)),
    "MobileNet v1": Case(made("MobileNetV1Config", "MobileNetV1Model", image_size=32, depth_multiplier=0.25), images(32)),
    "MobileNet v2": Case(made("MobileNetV2Config", "MobileNetV2ForImageClassification", image_size=32, depth_multiplier=0.35), images(32)),
    "EfficientNet": Case(made("EfficientNetConfig", "EfficientNetModel", image_size=32, width_coefficient=0.25, depth_coefficient=0.25, hidden_dim=320), images(32)),
    "MobileViT": Case(made("MobileViTConfig", "MobileViTModel", image_size=32, hidden_sizes=[16, 16, 16], neck_hidden_sizes=[8, 8, 8, 8, 8, 8, 16], num_attention_heads=2), images(32)),
    "SegFormer": Case(made("SegformerConfig", "SegformerForSemanticSegmentation", num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16], patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2], decoder_hidden_size=16, num_labels=3), images(32)),
    "PoolFormer": Case(made("PoolFormerConfig", "PoolFormerModel", hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1]), images(32)),
    "PVT": Case(made("PvtConfig", "PvtModel", image_size=32, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2]), images(32)),
    "LeViT": Case(made("LevitConfig", "LevitModel", image_size=32, hidden_sizes=[16, 24, 32], num_attention_heads=[2, 2, 2], depths=[1, 1, 1], key_dim=[8, 8, 8]), images(32)),
    "CLIP's sight": vision("CLIPVisionConfig", "CLIPVisionModel"),
    "CLIP's words": encoder("CLIPTextConfig", "CLIPTextModel", eos_token_id=2, bos_token_id=1, pad_token_id=0),
    "CLIP": Case(
        lambda: made("CLIPConfig", "CLIPModel", text_config={**SMALL, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0}, vision_config=PIXELS, projection_dim=8)(),
        lambda b: {**words()(b), **images()(b)}),
    "SigLIP's sight": vision("SiglipVisionConfig", "SiglipVisionModel"),
    "BLIP's sight": vision("BlipVisionConfig", "BlipVisionModel"),
    "DETR": Case(
        made("DetrConfig", "DetrForObjectDetection", use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config={"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 1], "out_features": ["stage2"]}, **BOTH, num_queries=4),
        images(32)),
    "SAM's sight": Case(made("SamVisionConfig", "SamVisionModel", hidden_size=16, num_hidden_layers=1, num_attention_heads=2, mlp_dim=24, image_size=32, patch_size=8, output_channels=8, window_size=2, num_pos_feats=8, global_attn_indexes=[0]), images(32)),
    "VideoMAE": Case(made("VideoMAEConfig", "VideoMAEModel", **PIXELS, num_frames=4), lambda b: {"pixel_values": torch.randn(b, 4, 3, 16, 16)}, refused=(errors.UnsupportedError, "Conv .*rank 3 to 4")),
    "Wav2Vec2": Case(
        made("Wav2Vec2Config", "Wav2Vec2ForCTC", **HEARING, mask_time_prob=0.0),
        sound(400)),
    "HuBERT": Case(
        made("HubertConfig", "HubertModel", **HEARING),
        sound(400)),
    "WavLM": Case(
        made("WavLMConfig", "WavLMModel", **HEARING),
        sound(400)),
    "Whisper": Case(
        made("WhisperConfig", "WhisperModel", **BOTH, num_mel_bins=8, max_source_positions=10, max_target_positions=12, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1),
        lambda b: {"input_features": torch.randn(b, 8, 20), "decoder_input_ids": torch.randint(3, 60, (b, 4)), "use_cache": False}),
    "AST": Case(made("ASTConfig", "ASTModel", **{k: v for k, v in PIXELS.items() if k != "image_size"}, max_length=24, num_mel_bins=16), sound(24, 16)),
    "time series": Case(made("PatchTSTConfig", "PatchTSTModel", context_length=32, patch_length=8, patch_stride=8, num_input_channels=2, d_model=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=24), lambda b: {"past_values": torch.randn(b, 32, 2)}),
}  # fmt: skip
