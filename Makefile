# make run and make test do all the set-up; the other targets are their parts.
GO      ?= go
MODULE  := wasm/host/built/bedside.wasm
SHARED  := ../shared
BUNDLES := weights/specialty weights/section weights/category
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

KERNELS := kernels/simd/built/wasm
PEER    := tools/benchencoder/node_modules/.package-lock.json

.PHONY: run build kernels module page test unit test-encoder e2e lint types shaders bench bench-encoder bench-webgpu model model-section model-category encoder clean system
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
# fewer sections of reports) these were best. Inner folds only calibrate here: two will do
# where a part is kept aside, for accuracy and F1 do not hang on calibration.
## model-section: likewise weights/section
model-section: DATA := --data out/section/dialogues.csv --text text --label section --prepare dialogue \
	  --also out/section/texts.csv --also out/section/reports.csv --features phrase+char --family svm --C 0.3
model-section:
	$(GO) run ./tools/corpora section $(SHARED)/data out/section
	$(GO) run ./tools/bedside measure $(DATA) --split out/section/parts.csv --part training --parts 5 --repeats 5 --folds 2 --json > out/section/split.json
	$(GO) run ./tools/bedside train $(DATA) --split out/section/fitted.csv --measure "test 1" --refit --card weights/section.json \
	  --cite "a fifth of the training file, kept aside (mean of 5 ways to do so)=out/section/split.json" \
	  --out weights/section

# Likewise chosen by cross-validation over the cases, among words alone, svm and other C.
## model-category: likewise weights/category
model-category: DATA := --data out/category/cases.csv --text text --label categories --label-separator ';' --multi-label \
	  --also out/category/titles.csv --features rare+char --family lr --C 30
model-category:
	$(GO) run ./tools/corpora category $(SHARED)/data out/category
	$(GO) run ./tools/bedside measure $(DATA) --parts 5 --json > out/category/folds.json
	$(GO) run ./tools/bedside train $(DATA) --card weights/category.json \
	  --cite "5 folds over all cases, each answered by a model that did not see it=out/category/folds.json" \
	  --out weights/category

# Texts on which weights/specialty-encoder and weights/section-encoder are measured are kept out. Reports and
# dialogues, of which there is little, are read more often than abstracts. STEPS and the shape are what two cores
# manage in some hours; it goes on where it was stopped.
## encoder: pre-train a small BERT on the corpus beside this checkout
encoder: SHAPE := --layers 4 --hidden 256 --heads 4 --length 128 --batch 16 --lr 7e-4 --warmup 200
encoder: STEPS := 12000
encoder: DIALOGUES := $(SHARED)/data/mts-dialog/MTS-Dialog
encoder: PYTHON := GOMP_SPINCOUNT=0 /usr/bin/python3 tools/encoder
encoder:
	sh .ci/system torch
	$(PYTHON)/corpus.py $(SHARED)/data/corpus/*.jsonl.gz --out out/encoder/corpus \
	  --without $(SHARED)/data/mtsamples/mtsamples.csv,transcription,$(SHARED)/reference/specialty/grouped_split.csv,test \
	  $(foreach part,ValidationSet TestSet-1-MEDIQA-Chat-2023,$(foreach column,dialogue section_text,--without $(DIALOGUES)-$(part).csv,$(column)))
	test -e out/encoder/vocab.txt || $(PYTHON)/vocab.py out/encoder/corpus/train.jsonl.gz --size 8192 --out out/encoder/vocab.txt
	$(PYTHON)/pretrain.py --corpus out/encoder/corpus --vocab out/encoder/vocab.txt --out out/encoder/run $(SHAPE) --steps $(STEPS) \
	  --weight mtsamples_unique=3 --weight mts_dialog=4 --weight aci_bench=2 --weight primock57=2 --weight medquad=0.5 \
	  --weight mtl_bionlp_tokenised=0.4

## bench: the numbers of the README, measured here
bench: system build
	$(GO) run ./tools/bench
	BEDSIDE_BENCH=1 $(GO) test -count=1 -run TestMeasure -v ./e2e | grep '^|'

## bench-encoder: the encoder engine beside onnxruntime-web, in the same page of the same Chromium
bench-encoder: system kernels module site/node_modules/.package-lock.json $(PEER)
	sh .ci/system onnx
	$(GO) run ./tools/benchencoder $(ARGS)
	BEDSIDE_BENCH=1 $(GO) test -count=1 -run TestMeasure -v ./kernels/simd | grep '^|'

## bench-webgpu: the encoder engine beside onnxruntime-web, both on WebGPU: what Chromium finds, or SwiftShader
bench-webgpu: system kernels module site/node_modules/.package-lock.json $(PEER)
	sh .ci/system onnx
	$(GO) run ./tools/benchencoder --parts webgpu --models minilm-l6 --rounds 7 --warm 100ms $(ARGS)
	BEDSIDE_BENCH=1 $(GO) test -count=1 -run TestMeasure -v ./kernels/webgpu | grep '^|'

$(PEER): tools/benchencoder/package-lock.json
	cd tools/benchencoder && npm ci --no-audit --no-fund --ignore-scripts

## system: Debian packages that the tests need, where they are missing and can be had
system:
	sh .ci/system

clean:
	rm -rf bin dist out $(MODULE) $(KERNELS)/*.wasm site/dist/* site/node_modules tools/benchencoder/node_modules
