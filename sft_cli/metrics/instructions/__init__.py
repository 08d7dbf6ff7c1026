"""Instructions that a program can check: one function each, and the table of them by their id.

A check takes the completion and the arguments of the instruction by name, and returns whether it was followed. Ids with
a prefix of IFEval (Zhou et al. 2023, arXiv 2311.07911) mean the same as there; those with `format:`, `length:` and
`script:` are ours.
"""

from sft_cli.run.registry import Table

_IFEVAL, _OWN = "sft_cli.metrics.instructions.ifeval", "sft_cli.metrics.instructions.own"

INSTRUCTIONS = Table(
    "instruction",
    {
        "keywords:existence": f"{_IFEVAL}:has_keywords",
        "keywords:frequency": f"{_IFEVAL}:keyword_frequency",
        "keywords:forbidden_words": f"{_IFEVAL}:no_forbidden_words",
        "keywords:letter_frequency": f"{_IFEVAL}:letter_frequency",
        "language:response_language": f"{_IFEVAL}:is_in_language",
        "length_constraints:number_sentences": f"{_IFEVAL}:sentence_count",
        "length_constraints:number_paragraphs": f"{_IFEVAL}:paragraph_count",
        "length_constraints:number_words": f"{_IFEVAL}:word_count",
        "length_constraints:nth_paragraph_first_word": f"{_IFEVAL}:first_word_of_paragraph",
        "detectable_content:number_placeholders": f"{_IFEVAL}:placeholder_count",
        "detectable_content:postscript": f"{_IFEVAL}:has_postscript",
        "detectable_format:number_bullet_lists": f"{_IFEVAL}:bullet_count",
        "detectable_format:constrained_response": f"{_IFEVAL}:is_one_of_the_answers",
        "detectable_format:number_highlighted_sections": f"{_IFEVAL}:highlight_count",
        "detectable_format:multiple_sections": f"{_IFEVAL}:section_count",
        "detectable_format:json_format": f"{_IFEVAL}:is_json_text",
        "detectable_format:title": f"{_IFEVAL}:has_title",
        "combination:two_responses": f"{_IFEVAL}:has_two_responses",
        "combination:repeat_prompt": f"{_IFEVAL}:repeats_the_prompt",
        "startend:end_checker": f"{_IFEVAL}:ends_with",
        "startend:quotation": f"{_IFEVAL}:is_quoted",
        "change_case:capital_word_frequency": f"{_IFEVAL}:capital_word_count",
        "change_case:english_capital": f"{_IFEVAL}:is_english_in_capitals",
        "change_case:english_lowercase": f"{_IFEVAL}:is_english_in_lower_case",
        "punctuation:no_comma": f"{_IFEVAL}:has_no_comma",
        "format:regex": f"{_OWN}:matches_pattern",
        "format:json_keys": f"{_OWN}:has_json_keys",
        "format:json_schema": f"{_OWN}:fits_json_schema",
        "format:list_items": f"{_OWN}:list_item_count",
        "length:characters": f"{_OWN}:character_count",
        "length:tokens": f"{_OWN}:token_count",
        "script:share": f"{_OWN}:has_script_share",
    },
)
