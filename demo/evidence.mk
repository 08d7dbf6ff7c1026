# Answers with evidence: the same model asked alone, with passages, and made to abstain where they do not support it.

.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := build/evidence/verdict.txt
MODEL := smollm2-135m-instruct
OUT := build/evidence
GENERATE := --max-new-tokens 40 --skip-if-current

# 1. Documents, of which one is false, and questions.
$(OUT)/questions.jsonl: evidence.py
	python evidence.py $(OUT)

# 2. The passages of each question.
$(OUT)/found.jsonl: $(OUT)/questions.jsonl
	sft retrieve --corpus $(OUT)/docs $< --top-k 3 --skip-if-current -o $@

# 3. Answers: from the model alone, and from the passages.
$(OUT)/alone.gen.jsonl: $(OUT)/questions.jsonl
	sft generate $(MODEL) $< $(GENERATE) -o $@

$(OUT)/grounded.gen.jsonl: $(OUT)/found.jsonl
	sft generate $(MODEL) $< --prompt-template grounded $(GENERATE) -o $@

# 4. Each claim against the documents. Two more files: answers abstain, or are written again, where a claim is not
# supported.
$(OUT)/%.checked.jsonl: $(OUT)/%.gen.jsonl
	sft verify $< --corpus $(OUT)/docs --skip-if-current -o $@

$(OUT)/abstaining.checked.jsonl: $(OUT)/grounded.gen.jsonl
	sft verify $< --corpus $(OUT)/docs --policy abstain --skip-if-current -o $@

$(OUT)/correcting.checked.jsonl: $(OUT)/grounded.gen.jsonl
	sft verify $< --corpus $(OUT)/docs --policy correct --correct-with $(MODEL) --skip-if-current -o $@

# 5. Scores and the verdict: right answers, and claims that the documents support.
$(OUT)/%.jsonl: $(OUT)/%.checked.jsonl
	sft score $< --metric accuracy --metric supported-claims --skip-if-current -o $@

$(OUT)/verdict.txt: $(OUT)/alone.jsonl $(OUT)/grounded.jsonl $(OUT)/abstaining.jsonl $(OUT)/correcting.jsonl
	sft compare $^ --allow-different prompt-template --skip-if-current -o $@
	@echo
	@echo "alone: the model without documents. grounded: with three passages for each question. abstaining: the same"
	@echo "answers, with “I don't know” in the place of those that the documents do not support. correcting: the same"
	@echo "answers, those written again by the model."
	@echo
	@cat $@
