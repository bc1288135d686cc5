# make run and make test do all the set-up; the other targets are their parts.
GO      ?= go
MODULE  := wasm/host/built/bedside.wasm
SHARED  := ../shared
PYTHON := GOMP_SPINCOUNT=0 /usr/bin/python3 tools/encoder
BUNDLES := weights/specialty weights/section-mix weights/section weights/category weights/icd10 weights/icd10-all \
	weights/specialty-encoder weights/section-encoder
CORPORA := section category icd10
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

KERNELS := kernels/simd/built/wasm
PEER    := tools/benchencoder/node_modules/.package-lock.json

.PHONY: run build kernels module page test unit test-encoder e2e lint types shaders bench bench-encoder bench-webgpu model model-section model-category model-icd10 model-section-encoder model-specialty-encoder report encoder faithfulness clean system
.DELETE_ON_ERROR:

## run: build everything and serve the page on this machine
run: build
	bin/bedside serve

## build: bin/bedside, one static binary with page, module and weights; dist/, the same page as files
build: page
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags="-s -w" -o bin/bedside ./tools/bedside
	bin/bedside site --out dist

## kernels: the SIMD kernels, emitted by Go
kernels:
	$(GO) run ./kernels/simd/emit/write $(KERNELS)

## module: the WebAssembly module that page, kiosk and headless hosts run
module:
	GOOS=wasip1 GOARCH=wasm $(GO) build -trimpath -ldflags="-s -w" -buildmode=c-shared -o $(MODULE) ./wasm/module

page: kernels module site/node_modules/.package-lock.json
	$(GO) run ./tools/bedside site --source site $(addprefix --bundle ,$(BUNDLES)) --out site/dist

site/node_modules/.package-lock.json: site/package-lock.json
	cd site && npm ci --no-audit --no-fund --ignore-scripts

## test: everything CI runs
test: system build lint unit e2e

unit:
	$(GO) test $$($(GO) list ./... | grep -v bedside/e2e)

## test-encoder: vocabulary, pre-training, fine-tuning, import and classification, on invented text; needs PyTorch
test-encoder: kernels module
	sh .ci/system torch
	$(GO) test -count=1 -v ./tools/encoder

## e2e: the module under wazero and the page in a real Chromium
e2e: build
	$(GO) test -count=1 -timeout 30m ./e2e

## shaders: have naga and tint check the WGSL, where they are installed
shaders:
	$(GO) run ./kernels/webgpu/check

## lint: gofmt, go vet, staticcheck, tsc
lint: types
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	GOOS=wasip1 GOARCH=wasm $(GO) vet ./wasm/module
	$(GO) run $(STATICCHECK) ./...

types: site/node_modules/.package-lock.json $(PEER)
	cd site && npm run --silent types
	site/node_modules/.bin/tsc --noEmit -p tools/benchencoder/page/tsconfig.json
	site/node_modules/.bin/tsc --noEmit -p tools/benchencoder/page/tsconfig.worker.json
	site/node_modules/.bin/tsc --noEmit -p kernels/webgpu/chromium

# Characters add less than 0.02 macro-F1 to words in cross-validation, most of it on
# labels with under ten notes, and take ten times as long to read: hence the slack.
## model: train weights/specialty from the data beside this checkout, and write its card
model: DATA := --data $(SHARED)/data/mtsamples/mtsamples.csv --text transcription --label medical_specialty
model: ROWS := --split $(SHARED)/reference/specialty/rows_split.csv
model:
	mkdir -p out
	for family in lr svm; do \
	  $(GO) run ./tools/bedside train $(DATA) $(ROWS) --features notebook --family $$family --C 1 --out out/rows-$$family && \
	  $(GO) run ./tools/bedside evaluate --bundle out/rows-$$family $(DATA) $(ROWS) --part test --json > out/rows-$$family.json || exit 1; \
	done
	$(GO) run ./tools/bedside train $(DATA) --group-by-text --multi-label \
	  --split $(SHARED)/reference/specialty/grouped_split.csv --measure test --refit \
	  --features word,word+char --family lr,svm --C 1,3,10 --slack 0.02 --card weights/specialty.json \
	  --cite "published protocol (a row an example, one label each), logistic regression=out/rows-lr.json" \
	  --cite "published protocol (a row an example, one label each), linear SVM=out/rows-svm.json" \
	  --out weights/specialty

# Of the settings tried by cross-validation on the training file (words alone, lr, other C,
# fewer sections of reports, no word vectors, blocks by speaker and by place, length) these
# were best. Inner folds only calibrate here: two will do where a part is kept aside.
## model-section: likewise weights/section
model-section: DATA := --data out/section/dialogues.csv --text text --label section --prepare dialogue \
	  --also out/section/texts.csv --also out/section/reports.csv --features phrase+char --words out/section/words.vec \
	  --family svm --C 0.15 --copies 2
model-section:
	$(GO) run ./tools/corpora section $(SHARED)/data out/section
	$(GO) run ./tools/bedside words --data out/section/plain.csv --text text --out out/section/words.vec
	$(GO) run ./tools/bedside measure $(DATA) --split out/section/parts.csv --part training --parts 5 --repeats 5 --folds 2 --json > out/section/split.json
	$(GO) run ./tools/bedside train $(DATA) --split out/section/fitted.csv --measure "test 1" --refit --card weights/section.json \
	  --cite "a fifth of the training file, kept aside (mean of 5 ways to do so, calibration error over all answers together)=out/section/split.json" \
	  --out weights/section

# Likewise chosen by cross-validation over the cases, among words alone, svm, other C, and no
# lexicon.
## model-category: likewise weights/category
model-category: DATA := --data out/category/cases.csv --text text --label categories --label-separator ';' --multi-label \
	  --also out/category/titles.csv --features lexicon+rare+char --family lr --C 10
model-category:
	$(GO) run ./tools/corpora category $(SHARED)/data out/category
	$(GO) run ./tools/bedside measure $(DATA) --parts 5 --json > out/category/folds.json
	$(GO) run ./tools/bedside train $(DATA) --card weights/category.json \
	  --cite "5 folds over all cases, each answered by a model that did not see it=out/category/folds.json" \
	  --out weights/category

# The 50 codes are fixed over all cases, as the shared task's papers do; phrases, what they
# are worth, calibration and thresholds always come from the cases trained on.
## model-icd10: likewise weights/icd10 and weights/icd10-all
model-icd10: DATA := --data out/icd10/cases.csv --text text --label-separator '|' --multi-label --none --features lexicon
model-icd10:
	$(GO) run ./tools/corpora icd10 $(SHARED)/data out/icd10
	for label in frequent codes; do \
	  $(GO) run ./tools/bedside measure $(DATA) --label $$label --parts 5 --json > out/icd10/$$label.json || exit 1; \
	done
	$(GO) run ./tools/bedside train $(DATA) --label frequent --card weights/icd10.json \
	  --cite "5 folds over all cases, each answered by a model that did not see it=out/icd10/frequent.json" \
	  --out weights/icd10
	$(GO) run ./tools/bedside train $(DATA) --label codes --card weights/icd10-all.json \
	  --cite "5 folds over all cases, each answered by a model that did not see it, codes that its cases did not have ranked last=out/icd10/codes.json" \
	  --out weights/icd10-all

## report: weights/REPORT.md, what the shipped models are worth, and the same figures in their cards
report: system build
	for corpus in $(CORPORA); do $(GO) run ./tools/corpora $$corpus $(SHARED)/data out/$$corpus || exit 1; done
	bin/bedside words --data out/section/plain.csv --text text --out out/section/words.vec
	mkdir -p out/report
	rm -f out/report/chromium.json
	BEDSIDE_BENCH=1 BEDSIDE_SPEED=$(CURDIR)/out/report/chromium.json $(GO) test -count=1 -timeout 30m -run TestMeasureModels -v ./e2e
	bin/bedside report $(BUNDLES:%=%.protocol.json) --chromium out/report/chromium.json --cards --out weights/REPORT.md
# Texts that specialty and section are measured on are kept out. Reports and dialogues, of which there is little, are read more often than abstracts. STEPS and the shape are what two cores
# manage in two hours; it goes on where it was stopped.
## encoder: pre-train a small BERT on the corpus beside this checkout
encoder: SHAPE := --layers 4 --hidden 256 --heads 4 --length 128 --batch 16 --lr 7e-4 --warmup 200
encoder: STEPS := 15000
encoder: DIALOGUES := $(SHARED)/data/mts-dialog/MTS-Dialog
encoder:
	sh .ci/system torch
	$(PYTHON)/corpus.py $(SHARED)/data/corpus/*.jsonl.gz --out out/encoder/corpus \
	  --without $(SHARED)/data/mtsamples/mtsamples.csv,transcription,$(SHARED)/reference/specialty/grouped_split.csv,test \
	  $(foreach part,ValidationSet TestSet-1-MEDIQA-Chat-2023,$(foreach column,dialogue section_text,--without $(DIALOGUES)-$(part).csv,$(column)))
	test -e out/encoder/vocab.txt || $(PYTHON)/vocab.py out/encoder/corpus/train.jsonl.gz --size 8192 --out out/encoder/vocab.txt
	$(PYTHON)/pretrain.py --corpus out/encoder/corpus --vocab out/encoder/vocab.txt --out out/encoder/run $(SHAPE) --steps $(STEPS) --decay 0.55 \
	  --weight mtsamples_unique=3 --weight mts_dialog=4 --weight aci_bench=2 --weight primock57=2 --weight medquad=0.5 \
	  --weight mtl_bionlp_tokenised=0.4

# What a network so small wants, and the windows that it was pre-trained on.
READ := --pool mean --no-pooler --window 128 --overlap 16
FINETUNE = $(PYTHON)/finetune.py $(READ) --lr 3e-4 --head-lr 3e-3 --layer-decay 1 --validation 0 --seeds 1

# Sections of reports come first, for there are many of them; no dialogue became one.
## model-section-encoder: weights/section-encoder, from what "make encoder" pre-trained, and weights/section-mix, it and the linear model
model-section-encoder: NOTES := --data out/section/dialogues.csv --text text --label section --split out/section/fitted.csv
model-section-encoder: LINEAR := --prepare dialogue --also out/section/texts.csv --also out/section/reports.csv --features phrase+char \
	  --words out/section/words.vec --family svm --C 0.15 --copies 2
model-section-encoder: FITTED := out/section-encoder
model-section-encoder: build
	sh .ci/system torch
	$(GO) run ./tools/corpora section $(SHARED)/data out/section
	bin/bedside words --data out/section/plain.csv --text text --out out/section/words.vec
	$(FINETUNE) --start out/encoder/run/model --data out/section/reports.csv --text text --label section --loss plain --epochs 4 --lr 5e-4 --head-lr 5e-3 --out $(FITTED)/reports
	$(FINETUNE) --start $(FITTED)/reports $(NOTES) --also out/section/texts.csv --loss plain --epochs 6 --folds 3 --out $(FITTED)/model
	bin/bedside import $(FITTED)/model $(READ) --calibrate out/section/dialogues.csv --scores $(FITTED)/model/scores.csv $(NOTES) --measure "test 1" \
	  --card weights/section-encoder.json --out weights/section-encoder
	bin/bedside measure $(NOTES) $(LINEAR) --part train --parts 5 --folds 2 --scores $(FITTED)/linear.csv
	bin/bedside train $(NOTES) $(LINEAR) --measure "test 1" --card weights/section-mix.json --out $(FITTED)/linear
	bin/bedside mix --linear $(FITTED)/linear --linear-scores $(FITTED)/linear.csv --encoder weights/section-encoder --encoder-scores $(FITTED)/model/scores.csv \
	  $(NOTES) --part train --card weights/section-mix.json --out weights/section-mix

# The mix is measured but not shipped: it is worth what the linear model is, at five times its size.
## model-specialty-encoder: likewise weights/specialty-encoder
model-specialty-encoder: NOTES := --data $(SHARED)/data/mtsamples/mtsamples.csv --text transcription --label medical_specialty --group-by-text \
	  --split $(SHARED)/reference/specialty/grouped_split.csv
model-specialty-encoder: LINEAR := --multi-label --features word --family svm --C 3
model-specialty-encoder: FITTED := out/specialty-encoder
model-specialty-encoder: build
	sh .ci/system torch
	$(FINETUNE) --start out/encoder/run/model $(NOTES) --multi-label --epochs 6 --folds 3 --out $(FITTED)/model
	bin/bedside import $(FITTED)/model $(READ) --calibrate $(SHARED)/data/mtsamples/mtsamples.csv --scores $(FITTED)/model/scores.csv $(NOTES) --measure test \
	  --card weights/specialty-encoder.json --out weights/specialty-encoder
	bin/bedside measure $(NOTES) $(LINEAR) --part train --parts 5 --folds 2 --scores $(FITTED)/linear.csv
	bin/bedside train $(NOTES) $(LINEAR) --measure test --card weights/specialty.json --out $(FITTED)/linear
	bin/bedside mix --linear $(FITTED)/linear --linear-scores $(FITTED)/linear.csv --encoder weights/specialty-encoder --encoder-scores $(FITTED)/model/scores.csv \
	  $(NOTES) --part train --card weights/specialty.json --name specialty-mix --out $(FITTED)/mix
	bin/bedside evaluate --bundle $(FITTED)/mix $(NOTES) --part test

## faithfulness: whether the sentences that explain an encoder's answer are those that it rests on
faithfulness: build
	$(GO) run ./tools/corpora section $(SHARED)/data out/section
	bin/bedside faithfulness --bundle weights/section-encoder --data out/section/dialogues.csv --text text --label section \
	  --split out/section/fitted.csv --part "test 1" --notes 60 --plot out/faithfulness.svg

## bench: the numbers of the README, measured here
bench: system build
	$(GO) run ./tools/bench
	BEDSIDE_BENCH=1 $(GO) test -count=1 -run TestMeasure -v ./e2e | grep '^|'

## bench-encoder: the encoder engine beside onnxruntime-web, in the same page of the same Chromium
bench-encoder: system kernels module site/node_modules/.package-lock.json $(PEER)
	sh .ci/system onnx
	$(GO) run ./tools/benchencoder $(ARGS)
	BEDSIDE_BENCH=1 $(GO) test -count=1 -run TestMeasure -v ./kernels/simd | grep '^|'

## bench-webgpu: the encoder engine beside onnxruntime-web, both on WebGPU: SwiftShader, or with GPU=1 the machine's GPU; PEAK=TFLOPS prints shares of its peak
bench-webgpu: system kernels module site/node_modules/.package-lock.json $(PEER)
	sh .ci/system onnx
	$(GO) run ./tools/benchencoder --parts webgpu --models minilm-l6 --rounds 7 --warm 100ms $(if $(GPU),--gpu) $(if $(PEAK),--peak $(PEAK)) $(ARGS)
	BEDSIDE_BENCH=1 BEDSIDE_GPU=$(GPU) BEDSIDE_PEAK=$(PEAK) $(GO) test -count=1 -run TestMeasure -v ./kernels/webgpu | grep '^|'

$(PEER): tools/benchencoder/package-lock.json
	cd tools/benchencoder && npm ci --no-audit --no-fund --ignore-scripts

## system: Debian packages that the tests need, where they are missing and can be had
system:
	sh .ci/system

clean:
	rm -rf bin dist out $(MODULE) $(KERNELS)/*.wasm site/dist/* site/node_modules tools/benchencoder/node_modules
