"""Columns of a row, beside its messages, that change what it means. Knows their usual names; nothing of formats."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from workbench.data.fields import BadRow, Location, name_set, shorten
from workbench.data.flags import nested_flags, plain_name, stated, switch, unread_flags

# the two sides of a preference, as the usual sets call them
CHOSEN = (
    "chosen", "chosen_response", "chosen_answer", "preferred", "preferred_output", "preferred_response", "winner",
    "better", "response_j",
)  # fmt: skip
REJECTED = (
    "rejected", "rejected_response", "rejected_answer", "rejected_responses", "rejected_output", "dispreferred",
    "non_preferred_output", "nonpreferred_output", "loser", "worse", "response_k",
)  # fmt: skip
MEDIA = ("videos", "video", "audios", "audio")
# words of a name that speaks of films and sounds, and with what the names of their files end
_MEDIA_WORDS = name_set(
    "video videos audio audios sound sounds speech voice movie film clip clips wav mp3 mp4 recording "
    "视频 音频 语音 录音"
)
_FILMS = re.compile(
    r"\S.*\.(?:mp4|avi|mov|mkv|webm|flv|wmv|m4v|mpe?g|mp3|wav|flac|m4a|ogg|opus|aac|wma|amr)(?:[?#]\S*)?\s*",
    re.I | re.S,
)
_ORIGINS = name_set(
    "source sources origin src title url link id name reference references comment note description 来源 出处"
)
# a worse answer by the words of its name: by one, or by one of these beside the name of an answer
_WORSE = name_set("rejected dispreferred nonpreferred unchosen")
_WORSE_BESIDE = name_set("negative worse losing bad wrong incorrect poor")
_OF_ANSWERS = name_set("answer answers response responses output outputs completion completions reply messages message")
_WORSE_ZH = re.compile("(?:拒绝|坏|差|较差|错误|负面?|劣)的?(?:回答|回复|答案|输出|样本|响应)")
# a rating that says of the row's own answer whether it is good, and its words for a bad one
_RATINGS = name_set(
    "label kto_tag kto_label rating rated feedback thumb thumbs thumbs_up vote quality is_good good is_correct "
    "correct accepted is_accepted approved is_preferred valid is_valid desirable keep use usable status verdict review "
    "review_result judgement judgment include included active enabled target is_target to_predict predict pass passed "
    "preference decision is_passed verified is_verified safe is_safe is_response_safe response_safe helpful is_helpful "
    "factual is_factual faithful grounded is_grounded tree_state "
    "标签 标注 评价 评级 质量 是否正确 是否可用 是否采纳 审核 审核结果 正确"
)
_FAULTS = name_set(
    "deleted is_deleted discard discarded rejected is_rejected bad is_bad wrong is_wrong flagged invalid "
    "is_invalid spam is_spam toxic is_toxic harmful is_harmful undesirable thumbs_down disabled is_disabled hidden "
    "is_hidden removed is_removed obsolete deprecated unsafe is_unsafe low_quality is_low_quality hallucination "
    "hallucinated is_hallucination is_impossible impossible unanswerable truncated is_truncated incomplete "
    "is_incomplete offensive is_offensive nsfw is_nsfw duplicate is_duplicate 删除 已删除 作废 无效 违规 是否有害"
)
_BAD = name_set(
    "bad false wrong incorrect rejected reject negative undesirable thumbs_down down dislike no low poor fail "
    "failed unsafe invalid 👎 ❌ ✗ ✘ discard discarded deleted masked skipped aborted_low_grade halted_by_moderator "
    "坏 差 错误 错 否 负 不好 不合格 不可用 不通过 未通过 无效 拒绝 删除 踩 低"
)
_MINUS = (-1, -100)
_ENDS, _CUT = (
    name_set("finish_reason stop_reason stop_type"),
    name_set("length max_tokens max_length content_filter error"),
)
_SCALES = name_set(
    "score scores rating ratings reward rewards stars quality_score preference_score helpfulness correctness coherence "
    "honesty truthfulness grade points 评分 得分 分数 打分 星级"
)
_SCALE_ENDS = ("_score", "_rating", "_reward", "_stars", "评分", "得分", "分数")
_SPLITS = name_set("split subset partition set fold data_split dataset_split phase 划分 数据划分 集合")
_HELD_OUT_FLAGS = name_set(
    "is_test is_testing is_val is_valid_set is_validation is_dev is_eval held_out holdout is_heldout"
)
HELD_OUT = _HELD_OUT_FLAGS | name_set(
    "test testing validation valid val dev eval evaluation 测试 测试集 验证 验证集 评测 评测集"
)
# what was to stand before the model when it answers, or another answer than the one that is read
_CONTEXT = name_set(
    "context contexts passage passages documents document knowledge background retrieved evidence system_prompt "
    "system_message instruction instructions few_shot image_url image_urls history chosen response responses "
    "answer answers output outputs completion completions reply solution thinking reasoning reasoning_content "
    "thought thoughts cot chain_of_thought prompt query question problem histories past previous previous_turns "
    "previous_messages chat_history dialogue_history dialog_history conversation_history persona role_description "
    "character_description scenario situation options choices candidates hint hints facts rationale rationales "
    "explanation generations article schema db_schema table_schema sql_context "
    "历史 对话历史 历史对话 上下文 背景 材料 参考资料 知识 系统 系统提示 系统提示词 人设 角色设定 角色描述 选项 "
    "候选 提示 解析 思考 推理"
)
# the list of another format, which is not read where a format was asked for by its name
_FORMATS = ("messages", "conversations", "conversation")
_OF_THOUGHTS = name_set("thinking think reasoning thought thoughts cot rationale")
_THOUGHTS_ZH = re.compile("思考|推理|思维链|思维过程")
# the answer that is held to be right, where a row names it beside the one that is read
_GOLD = name_set(
    "ground_truth groundtruth gold gold_answer gold_response gold_output golden_answer reference_answer "
    "reference_response reference_output correct_answer correct_response correct_output right_answer true_answer "
    "expected expected_answer expected_output expected_response target_answer best_answer "
    "标准答案 正确答案 参考答案 标准回答 正确回答 参考回答"
)
# one more answer of several, by its number
_NUMBERED = re.compile(r"(?:answer|response|output|completion|reply|回答|答案|输出|回复)_?[0-9]")
# a better wording of an answer than the one that is read
_BETTER = re.compile(
    r"(?:edited|corrected|revised|improved|rewritten)_(?:answer|response|output|content|text|completion|reply)"
    r"|correction|修改后的?(?:回答|答案|内容)|修正后的?(?:回答|答案|内容)"
)
_LETTERS = ("a", "b", "c", "d")  # the columns of a question with several answers to choose from


def present(value: object) -> bool:
    """Tell whether a column says anything: tables fill in nulls, and empty texts and lists."""
    return value not in (None, "", [], {}, ())


def refuse_media(row: Mapping[str, Any], location: Location, within: str = "") -> None:
    """Refuse a row whose columns name films or sounds; ``within`` is a message's name.

    Raises:
        BadRow: there are some.
    """
    for key, value in row.items():
        if present(value) and not isinstance(value, (bool, int, float)) and _is_media(key, value):
            raise BadRow("data.media", location, field=f"{within}{key}", given=shorten(value))


def _is_media(key: str, value: object) -> bool:
    """Whether a column holds films or sounds: by its name alone, by one that speaks of them and bytes or an address, or
    by the names of files."""
    name = plain_name(key)
    texts = list(_texts(value))
    films = name not in _ORIGINS and any(_FILMS.fullmatch(text) for text in texts)
    holds = any(text.startswith(("http:", "https:", "data:", "s3:")) for text in texts) or (
        isinstance(value, dict) and bool({"bytes", "path", "array", "url"} & value.keys())
    )
    return name in MEDIA or films or (holds and _speaks_of_media(name))


@lru_cache(maxsize=1000)
def _speaks_of_media(name: str) -> bool:
    return bool(_MEDIA_WORDS & set(name.split("_"))) or any(word in name for word in _MEDIA_WORDS if not word.isascii())


def _texts(value: object) -> Iterator[str]:
    """The texts of a column: its own, those of a list, or the path and address of an object."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from (value[key] for key in ("path", "url", "file") if isinstance(value.get(key), str))


def rejected_columns(meta: Mapping[str, Any]) -> list[str]:
    """Return the columns that hold a worse answer, which is not trained."""
    return [k for k, v in meta.items() if _is_worse(plain_name(k)) and present(v) and switch(v) is None]


@lru_cache(maxsize=1000)
def _is_worse(name: str) -> bool:
    words = set(name.split("_"))
    beside = bool(words & _WORSE_BESIDE and words & _OF_ANSWERS)
    return name in REJECTED or bool(words & _WORSE) or beside or bool(_WORSE_ZH.search(name))


def faults(meta: Mapping[str, Any]) -> list[str]:
    """Return the columns that say that the row's own answer is bad, or that the row is not to be used, with what they
    say; those of an object in a column too."""
    columns = [f"{key}: {shorten(value)}" for key, value in meta.items() if _is_fault(key, value)]
    deeper = ((key, inner) for key, inner in meta.items() if isinstance(inner, dict))
    return columns + [f"{key}.{k}: {shorten(v)}" for key, inner in deeper for k, v in inner.items() if _is_fault(k, v)]


def _is_fault(key: str, value: object) -> bool:
    name = plain_name(key)
    word = value.strip().lower() if isinstance(value, str) else ""
    bad = switch(value) is False or word in _BAD or (isinstance(value, (int, float)) and value in _MINUS)
    return (name in _RATINGS and bad) or (name in _FAULTS and stated(value) is True) or (name in _ENDS and word in _CUT)


def scales(meta: Mapping[str, Any]) -> dict[str, float]:
    """Return the columns that rate the row by a number."""
    return {
        key: float(value)
        for key, value in meta.items()
        if (plain_name(key) in _SCALES or plain_name(key).endswith(_SCALE_ENDS))
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
    }


def split_of(meta: Mapping[str, Any]) -> str:
    """Return the part of a set that the row says it belongs to, in small letters; ``''`` where it says nothing."""
    for key, value in meta.items():
        if plain_name(key) in _SPLITS and isinstance(value, str) and value.strip():
            return value.strip().lower()
        if plain_name(key) in _HELD_OUT_FLAGS and stated(value) is True:
            return plain_name(key)
    return ""


def unread(meta: Mapping[str, Any], texts: Collection[str] = ()) -> list[str]:
    """Return the other columns that change what the row means and are not read; what ``texts`` hold is read."""
    worse = rejected_columns(meta)
    columns = [
        key
        for key, value in meta.items()
        if present(value) and key not in worse and _is_content(key, value) and not _is_in(value, texts)
    ]
    letters = [key for key, value in meta.items() if plain_name(key) in _LETTERS and isinstance(value, str) and value]
    columns += letters if len(letters) > 1 else []
    flags = [*unread_flags(dict(meta)), *nested_flags(dict(meta))]
    return columns + [key for key in flags if key not in columns]


def _is_content(key: str, value: object) -> bool:
    """Whether a column holds what was to be read: by its name, or since it holds turns or thoughts."""
    name = plain_name(key)
    thinks = _OF_THOUGHTS & set(name.split("_")) or _THOUGHTS_ZH.search(name)
    turns = name not in _FORMATS and _are_turns(value)
    beside = bool(_NUMBERED.fullmatch(name) or _BETTER.fullmatch(name)) and _says_something(value)
    return name in _CONTEXT or name in _GOLD or turns or beside or (bool(thinks) and _says_something(value))


def _says_something(value: object) -> bool:
    """Whether a value is a text of more than a word, or holds any; not a setting such as ``high``."""
    return isinstance(value, (list, dict)) or (isinstance(value, str) and (" " in value.strip() or len(value) > 12))


def _are_turns(value: object) -> bool:
    """Whether a value is a list of messages, or of pairs of texts."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    speakers = ({"role", "content"}, {"from", "value"})
    return all(
        any(names <= item.keys() for names in speakers)
        if isinstance(item, dict)
        else isinstance(item, (list, tuple)) and len(item) == 2 and all(isinstance(text, str) for text in item)
        for item in value
    )


def _is_in(value: object, texts: Collection[str]) -> bool:
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, str) and _is_in(item, texts) for item in value)
    return isinstance(value, (str, int, float)) and any(str(value).strip() in text for text in texts)
