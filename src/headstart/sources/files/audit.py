"""What an architecture that somebody else wrote may say: plain names and plain values, nothing else.

Side-cars of weight files, bundles and folders bring arguments for the constructors of a model library. Some
of those would open further files, ask the network, or run other code. So only the arguments listed here are
handed on: they say how large a network is and how its layers compute.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from headstart.core.untrusted import limits
from headstart.errors import SourceError

NAME = re.compile(r"[A-Za-z0-9][\w.\-]*", re.ASCII)
"""Of an architecture: never a path or an address."""
WORD = re.compile(r"[\w.,+\- ]{0,64}", re.ASCII)
"""A text among the arguments, such as the name of an activation."""
DEEP = re.compile(r"depth|layers|blocks|block_config|mult")
"""Arguments that say how often something is repeated."""

_TIMM = """
act_layer always_partition attn_drop_rate attn_layer attn_ratio aux_logits avg_down base_width block_config
block_reduce_first bottle_ratio cardinality channel_divisor channel_multiplier channels class_token conv_bias
conv_mlp depth depth_multiplier depths dim dims distillation distilled down_kernel_size downsample
downsamples drop_block_rate drop_path_rate drop_rate dynamic_img_pad dynamic_img_size embed_dim embed_dims
expand_ratio fc_norm final_norm fix_stem global_pool group_size groups growth_rate head_dim head_hidden_size
head_init_scale head_norm_first heads img_size in_chans init_values key_dim kernel_size kernel_sizes
layer_scale_init_value layers ls_init_value mlp_layer mlp_ratio mlp_ratios no_embed_class norm_eps norm_layer
num_features num_heads num_init_features num_kv_heads num_layers output_stride aa_layer pad_type
patch_drop_rate patch_size pool_include_prefix pool_type pos_drop_rate pos_embed pre_norm preact
pretrained_window_sizes proj_bias proj_drop_rate qk_norm qkv_bias reg_tokens ref_feat_shape
rel_pos_type replace_stem_pool rope_temperature rope_theta rope_type scale_mlp se_from_exp se_layer se_ratio
sr_ratios stem_bias stem_chs stem_kernel_size stem_norm stem_pool stem_size stem_type stem_width
strict_img_size strides swiglu_mlp use_abs_pos_emb use_fc_norm use_grn use_post_norm use_rel_pos_bias
use_rot_pos_emb use_shared_rel_pos_bias weight_init width width_factor width_mult widths window_ratio
window_size window_sizes zero_init_last
"""
_TORCHVISION = """
attention_dropout aux_logits bn_size depth_mult dilated drop_rate dropout dropout_aux groups image_size
init_weights input_size layer_scale memory_efficient mlp_ratio reduced_tail
representation_size replace_stride_with_dilation round_nearest stochastic_depth_prob transform_input
width_mult width_per_group zero_init_residual
"""
ALLOWED: Mapping[str, frozenset[str]] = {
    "timm": frozenset(_TIMM.split()),
    "torchvision": frozenset(_TORCHVISION.split()),
    "headstart": frozenset(
        [
            "channels",
            "depths",
            "hidden",
            "layers",
            "stem_stride",
            "strides",
            "vocabulary",
            "width",
            "widths",
            "window",
            "words",
        ]
    ),
}
"""Library -> arguments that may be given. All others are refused, whatever they would do."""
REACHING = re.compile(
    r"(use_)?pretrained|(use_)?pretrained_(cfg|backbone)|architecture|model_args|checkpoint_path|cache_dir|weights|auto_map|"
    r"trust_remote_code|\w*implementation|quantization_config"
)
"""Fields of a configuration of `transformers` that would reach for files, the network or code. Those have
thousands of names, and more with every version, so that these are named instead; what the library is given
goes through `headstart.sources.text.files.folder.plain` besides."""
CONFIGURED = "transformers"
COUNTS = {"words": limits.WORDS, "vocabulary": limits.WORDS}
"""Arguments that count what lies in the file, so that they may be large."""


def check(architecture: Any, spec: str = "") -> None:
    """Raises `SourceError` for an architecture that is not made of plain names and plain values.

    Nothing is built and no library is imported; a library that is not known is not looked into. `spec` is
    what the refusal names, where that is not the architecture itself.
    """
    if not isinstance(architecture, Mapping):
        raise SourceError(spec, "its architecture is no record {...}")
    library, arch = architecture.get("library"), architecture.get("arch")
    spec = spec or f"{library}/{arch}"
    if not isinstance(arch, str) or not NAME.fullmatch(arch):
        raise SourceError(spec, f"the name of its architecture, {arch!r}, is not a plain name")
    kwargs = architecture.get("kwargs") or {}
    if not isinstance(kwargs, Mapping) or not all(isinstance(name, str) for name in kwargs):
        raise SourceError(spec, "the arguments of its architecture (kwargs) are no record {...}")
    classes = architecture.get("num_classes")
    if classes is not None and (not _whole(classes) or not 0 <= classes <= limits.CLASSES):
        wanted = f"a number from 0 to {limits.CLASSES:,}"
        raise SourceError(spec, f"num_classes is {_shown(classes)}, not {wanted}")
    boxes = architecture.get("boxes")
    if boxes is not None and (not _whole(boxes) or not 0 <= boxes <= limits.CLASSES):
        raise SourceError(spec, f"boxes is {_shown(boxes)}, not a number from 0 to {limits.CLASSES:,}")
    multiplier = architecture.get("channel_multiplier")
    if multiplier is not None and not (_number(multiplier) and 0 < multiplier <= 100):
        problem = f"channel_multiplier is {_shown(multiplier)}, not a number above 0, up to 100"
        raise SourceError(spec, problem)
    if library == CONFIGURED:
        _configuration(kwargs, spec)
    elif isinstance(library, str) and library in ALLOWED:
        _arguments(kwargs, ALLOWED[library], spec)


def _configuration(kwargs: Mapping[str, Any], spec: str) -> None:
    reaching = next((name for name in _names(kwargs) if REACHING.fullmatch(name)), None)
    if reaching is not None:
        problem = f"its architecture has the argument {reaching!r}, which may reach for other files or code"
        raise SourceError(spec, problem, "leave it out")


def _arguments(kwargs: Mapping[str, Any], known: frozenset[str], spec: str) -> None:
    for name, value in kwargs.items():
        if name not in known:
            close = get_close_matches(name, known, n=3, cutoff=0.75)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(known))}"
            raise SourceError(spec, f"an architecture takes no argument {_shown(name)} from a file; {hint}")
        most = limits.DEPTH if DEEP.search(name) else COUNTS.get(name, limits.WIDTH)
        problem = _problem(value, most)
        if problem:
            raise SourceError(spec, f"the argument {name} of its architecture {problem}")


def _problem(value: Any, most: int, level: int = 0) -> str:
    """What is wrong with the value of an argument; "" where it is plain."""
    if isinstance(value, list | tuple):
        return _problem_of_list(value, most, level)
    if value is None or isinstance(value, bool) or (isinstance(value, str) and WORD.fullmatch(value)):
        return ""
    if isinstance(value, str):
        return f"is {_shown(value)}, not a short word"
    if not _number(value):
        return f"is {_shown(value)}: only numbers, words, true or false, and lists of these may be given"
    return "" if abs(value) <= most else f"is {value:,}; at most {most:,} may be given"


def _problem_of_list(values: list[Any] | tuple[Any, ...], most: int, level: int) -> str:
    if level == 3 or len(values) > limits.ARGUMENTS:
        return f"holds more than {limits.ARGUMENTS} values, or lists inside each other"
    found = next((found for value in values if (found := _problem(value, most, level + 1))), "")
    total = sum(abs(value) for value in values if _number(value))
    if not found and most == limits.DEPTH and total > most:
        return f"is {total:,} together; at most {most:,} may be given"
    return found


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return _whole(value) or (isinstance(value, float) and math.isfinite(value))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _names(value: Any) -> Iterator[str]:
    """Names of arguments, at any depth."""
    if isinstance(value, Mapping):
        yield from map(str, value)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _names(one)
