"""From a model's name to its weights on a device. Knows folders, hub ids and 4 bit; nothing of what the model is
for."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.environment import hide_kernels
from workbench.errors import BadInput, UnknownName, nearest
from workbench.models import adapters, gguf_folder, internlm, seeing, sentencepieces, shelf
from workbench.models.architectures import has_eyes, unpacked
from workbench.models.completeness import check_report, check_size
from workbench.models.eyes import Eyes
from workbench.models.eyes_registry import eyes_in, with_eyes
from workbench.models.fewbits import int8, mend_4bit, nf4
from workbench.models.folders import check_files, check_tokenizer, check_weights, clean_config
from workbench.models.gguf_header import is_gguf
from workbench.models.headers import has_generic_tokenizer
from workbench.models.translating import Fitting, TranslatedErrors

if TYPE_CHECKING:
    import torch

Quantization = Literal["none", "nf4", "int8"]
POCKET = Path(__file__).parent / "pocket" / "weights"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
QUICK = 200 * 2**20
# The attribute of a network that sees under which its :class:`Eyes` are.
EYES = "picture_eyes"
# What is fetched of a hub id: nothing but text and safetensors, and nothing of its subfolders but chat templates.
TEXTS = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken", "LICENSE*", "NOTICE*", "USE_POLICY*")
WANTED = ("*.safetensors", *TEXTS)
_ELSEWHERE = ("original/*", "consolidated*", "onnx/*", "openvino/*", "coreml/*", "metal/*", "gguf/*")
# Names that people know these by; each loads without code of the model's own.
KNOWN = (
    "pocket",
    "smollm2",
    "Qwen/Qwen2.5-0.5B-Instruct",
    "Qwen/Qwen2.5-1.5B-Instruct",
    "Qwen/Qwen2.5-7B-Instruct",
    "Qwen/Qwen3-0.6B",
    "Qwen/Qwen3-1.7B",
    "internlm/internlm2-chat-1_8b",
    "internlm/internlm2-chat-7b",
    "internlm/internlm2_5-1_8b-chat",
    "internlm/internlm2_5-7b-chat",
    "meta-llama/Llama-3.2-1B-Instruct",
    "meta-llama/Llama-3.1-8B-Instruct",
)


@dataclass(slots=True)
class Loaded:
    """Hold a model ready to answer.

    Args:
        model: a causal language model, or one that sees too, in ``eval`` mode.
        tokenizer: its tokenizer.
        name: what the person called it.
        device: where it lives.
    """

    model: Any
    tokenizer: Any
    name: str
    device: torch.device

    @property
    def eyes(self) -> Eyes | None:
        """Return what makes pictures into its inputs; None where it sees none."""
        return eyes_of(self.model)


def eyes_of(model: Any) -> Eyes | None:
    """Return what makes pictures into the inputs of a network; None where it sees none."""
    eyes: Eyes | None = getattr(model, EYES, None)
    return eyes


def resolve(model: str) -> str:
    """Return the folder or hub id that ``model`` means.

    Args:
        model: ``pocket``, a local folder with a ``config.json``, a GGUF file or a folder of one, which become such a
            folder the first time, a fetched model's name, a hub id ``owner/name``, or one of these and a tower,
            ``pocket+sight``, which become a folder the first time.

    Raises:
        UnknownName: it is none of these; names the nearest ones. BadInput: the folder holds what is no ordinary file,
            or a link that leads out of it, or the GGUF file cannot be read. Failed: what reads GGUF is not installed.
    """
    if model == "pocket":
        return str(POCKET)
    folder = Path(model).expanduser()
    if folder.is_dir():
        if any((folder / name).exists() for name in ("config.json", "tokenizer.json", "tokenizer_config.json")):
            check_files(folder)
            return str(folder)
        if packed := gguf_folder.only_file(folder):
            return str(gguf_folder.cached(packed))
        raise UnknownName("models.not_a_model", path=model)
    if is_gguf(folder):
        return str(gguf_folder.cached(folder))
    if made := _by_name(model):
        return str(made)
    if folder.exists() or not HUB_ID.fullmatch(model):
        raise UnknownName("models.unknown", given=model, nearest=nearest(model, KNOWN))
    return model


def _by_name(model: str) -> Path | None:
    """The folder of what has a name here and is no hub id: a model and a tower, or a fetched one."""
    if both := seeing.parted(model):
        words, eyes = on_disk(both[0]), _tower(both[1])
        return seeing.cached(model, words, eyes, lambda: (language_network(words), load_tokenizer(str(words))))
    return Path(shelf.place(model)) if model in shelf.PACKAGES else None


def _tower(tower: str) -> Path:
    """The folder of a tower: an embedded one, a folder, or a hub id.

    Raises:
        UnknownName: no such tower. BadInput: it is none, or damaged. Failed: it is not built, or not given by the hub.
    """
    if tower in seeing.TOWERS:
        return seeing.embedded(tower)
    folder = Path(tower).expanduser()
    if not folder.is_dir() and (folder.exists() or not HUB_ID.fullmatch(tower)):
        raise UnknownName("models.seeing.unknown_tower", given=tower, nearest=nearest(tower, seeing.TOWERS))
    return seeing.check_tower(folder if folder.is_dir() else on_disk(tower))


def on_disk(model: str, patterns: Iterable[str] = WANTED, *, fetch: bool = True) -> Path:
    """Return the folder on this machine that holds the files of ``model``; those of a hub id are fetched first.

    Args:
        model: ``pocket``, a folder or a hub id.
        patterns: the files that are needed.
        fetch: get a hub id's files where they are not here yet; without it nobody is asked for anything.

    Raises:
        UnknownName: no such model. BadInput: as :func:`resolve`. Failed: the hub did not give it.
    """
    source = resolve(model)
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download

    with TranslatedErrors(model, source):
        folder = Path(
            snapshot_download(
                source, allow_patterns=list(patterns), ignore_patterns=list(_ELSEWHERE), local_files_only=not fetch
            )
        )
    check_files(folder)
    return folder


def load_tokenizer(model: str) -> Any:
    """Return the tokenizer of ``model``, by the library's own code alone.

    Raises:
        UnknownName: no such model. BadInput: a file of it is damaged, or it needs code of its own. Failed: the hub did
            not give it.
    """
    folder = on_disk(model, TEXTS)
    check_tokenizer(folder)
    hide_kernels()
    with TranslatedErrors(model, str(folder)):
        tokenizer = _tokenizer(folder)
    return with_eyes(tokenizer, folder)


def _tokenizer(folder: Path) -> Any:
    if sentencepieces.is_internlms(folder):
        return sentencepieces.read_tokenizer(folder)
    if has_generic_tokenizer(folder):
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)


def configuration(model: str) -> Any:
    """Return what ``model`` is made of; loads no weight.

    Raises:
        UnknownName: no such model. BadInput: it is damaged, or it needs code of its own. Failed: the hub did not give
            it.
    """
    return _configured(model, on_disk(model, TEXTS))


def _configured(model: str, folder: Path) -> Any:
    """The configuration of the folder ``folder``, without what would choose code; an InternLM's as a Llama's."""
    settings = clean_config(folder)
    hide_kernels()
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if internlm.is_internlm(settings):
        settings = internlm.as_llama(settings)
    kind = str(settings["model_type"])
    if kind == "mistral" and "layer_types" in settings:  # as the library itself reads it
        kind = settings["model_type"] = "ministral"
    if kind not in CONFIG_MAPPING:
        raise BadInput("models.unknown_kind", model=model, given=kind, code="auto_map" in settings)
    with TranslatedErrors(model, str(folder)):
        config = CONFIG_MAPPING[kind].from_dict(settings)
        config.name_or_path = str(folder)
        return config


def _checked(model: str, folder: Path) -> Any:
    """The configuration of a folder whose weights can be read, and which is a model of a kind known here."""
    config = _configured(model, folder)
    check_weights(folder)
    _check_task(model, folder, config.model_type)
    return config


def _check_task(model: str, folder: Path, kind: str) -> None:
    """Refuse an architecture that the library knows, and that is no language model, nor sees in the way known here."""
    from transformers.models.auto import modeling_auto as tables

    if has_eyes(folder) or kind in tables.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return
    seeing_too = kind in tables.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    raise BadInput("models.other_eyes" if seeing_too else "models.no_language_model", model=model, given=kind)


def load(
    model: str,
    *,
    quantization: Quantization = "none",
    device: str | None = None,
    adapter: str | Path | None = None,
    dtype: str | None = None,
    attention: str | None = None,
    tokenizer: Any | None = None,
) -> Loaded:
    """Load ``model`` to answer or to be trained.

    Args:
        model: ``pocket``, a local folder, or a hub id.
        quantization: ``nf4`` stores the linear layers in 4 bit, doubly quantized (Dettmers et al. 2023, QLoRA,
            section 3); ``int8`` in 8 (Dettmers et al. 2022, LLM.int8()), to answer only.
        device: ``cuda``, ``cpu`` …; by default the best there is.
        adapter: a folder in PEFT's format to put on top.
        dtype: of the computation, ``float32``, ``bfloat16`` or ``float16``; by default what the device is quick and
            safe in.
        attention: the library's attention implementation; by default what suits the device.
        tokenizer: the model's, where it is loaded already.

    Raises:
        UnknownName: no such model. BadInput: the folder is damaged or not one of a model, or the adapter does not fit.
            Failed: the hub did not give it, or there is not enough memory.
    """
    folder = on_disk(model)
    config = _checked(model, folder)
    if adapter:
        adapters.check(adapter)
    import torch

    where = torch.device(device or best_device())
    compute = getattr(torch, dtype) if dtype else compute_dtype(where)
    settings: dict[str, Any] = {
        "dtype": compute,
        "attn_implementation": attention or default_attention(where),
        "trust_remote_code": False,
        "use_safetensors": True,
        "local_files_only": True,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,  # they are told below, in our words
        "config": config,
    }
    if quantization != "none":
        skipped = unpacked(folder)
        settings["quantization_config"] = nf4(compute, skipped) if quantization == "nf4" else int8(skipped)
        settings["device_map"] = {"": where}
    eyes = eyes_in(folder)  # what they lack is said before any weight is loaded
    with TranslatedErrors(model, str(folder)), _bars(folder):
        network, report = _network(folder, settings)
    check_report(model, report)
    network = network.to(where) if quantization == "none" else mend_4bit(network)
    network.requires_grad_(False).eval()
    if eyes:
        setattr(network, EYES, eyes.fitting(network))
        eyes.in_own_numbers(network)
    loaded = Loaded(network, tokenizer or load_tokenizer(model), model, where)
    return _with_adapter(loaded, adapter) if adapter else loaded


def _network(folder: Path, options: dict[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """The model of a folder, InternLM's as the Llamas that they are; and what the library says of its loading."""
    settings = clean_config(folder)
    check_size(folder, options["config"], auto_class(folder))
    if internlm.is_internlm(settings):
        return internlm.load_llama(folder, settings, **options)
    network, report = auto_class(folder).from_pretrained(str(folder), **options)
    return network, report


def auto_class(folder: Path) -> Any:
    """Return the library's class that chooses the network of a folder: one that sees, or a language model."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    return AutoModelForImageTextToText if has_eyes(folder) else AutoModelForCausalLM


def language_network(folder: Path) -> Any:
    """Return the network of a language model's folder in its own kind of numbers, on the CPU, not to be trained.

    Raises:
        BadInput: the folder is damaged.
    """
    config = _checked(str(folder), folder)
    options = {"dtype": "auto", "trust_remote_code": False, "use_safetensors": True, "local_files_only": True}
    more = {"output_loading_info": True, "ignore_mismatched_sizes": True, "config": config}
    with TranslatedErrors(str(folder), str(folder)), _bars(folder):
        network, report = _network(folder, {**options, **more})
    check_report(str(folder), report)
    return network.requires_grad_(False).eval()


@contextmanager
def _bars(folder: Path) -> Iterator[None]:
    """The library's progress bars only for what takes long: the hub, and folders of more than ``QUICK`` bytes."""
    from transformers.utils import logging

    quick = sum(file.stat().st_size for file in folder.glob("*.safetensors")) < QUICK
    if not quick or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def best_device() -> str:
    """Return ``cuda`` where there is one, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def compute_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 on GPUs that have it, else float32.

    On a CPU float32: without AMX, bfloat16 was measured three times slower; and nothing is lost by it.
    """
    import torch

    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float32


def default_attention(device: torch.device) -> str:
    """Return ``eager`` on a CPU, where it is the quickest at the lengths of a chat; on a GPU flash attention where it
    is installed."""
    from transformers.utils import is_flash_attn_2_available

    if device.type == "cpu":
        return "eager"
    return "flash_attention_2" if is_flash_attn_2_available() else "sdpa"


def _with_adapter(loaded: Loaded, adapter: str | Path) -> Loaded:
    from peft import PeftModel

    # PEFT asks for a property that transformers has renamed; not a matter for whoever loads a model
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    # … and looks for AdaLoRA's ranks by the names of layers, though it writes them by those of their parts
    warnings.filterwarnings("ignore", "The following rank_pattern keys did not match", RuntimeWarning)
    folder = Path(adapter).expanduser()
    with Fitting(folder, loaded.name):
        config = adapters.configured(folder)
        loaded.model = PeftModel.from_pretrained(loaded.model, str(folder), config=config, is_trainable=False)
    loaded.model.eval()
    return loaded
