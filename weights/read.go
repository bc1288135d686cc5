package weights

import "bedside/weights/jsontext"

// readVersion reads what tells manifests of this version from others.
func readVersion(r *jsontext.Reader) (format string, version int) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "format":
			format = r.Text()
		case "version":
			version = r.Int()
		default:
			r.Skip()
		}
	}
	return format, version
}

func readManifest(r *jsontext.Reader) (m Manifest) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "format":
			m.Format = r.Text()
		case "version":
			m.Version = r.Int()
		case "name":
			m.Name = r.Text()
		case "title":
			m.Title = r.Text()
		case "question":
			m.Question = r.Text()
		case "task":
			m.Task = readTask(r)
		case "text":
			m.Text = readText(r)
		case "tfidf":
			m.TFIDF = new(readTFIDF(r))
		case "lexicon":
			m.Lexicon = new(readLexicon(r))
		case "linear":
			m.Linear = new(readLinear(r))
		case "encoder":
			m.Encoder = new(readEncoder(r))
		case "mix":
			m.Mix = new(readMix(r))
		case "calibration":
			m.Calibration = readCalibration(r)
		case "thresholds":
			m.Thresholds = jsontext.List(r, (*jsontext.Reader).Float)
		case "card":
			m.Card = readCard(r)
		case "tensors":
			m.Tensors = jsontext.List(r, readTensor)
		case "shards":
			m.Shards = jsontext.List(r, readShard)
		default:
			r.Unknown()
		}
	}
	return m
}

func readMix(r *jsontext.Reader) (x Mix) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "encoder":
			x.Encoder = r.Float()
		default:
			r.Unknown()
		}
	}
	return x
}

func readTask(r *jsontext.Reader) (t Task) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "kind":
			t.Kind = r.Text()
		case "labels":
			t.Labels = jsontext.List(r, (*jsontext.Reader).Text)
		default:
			r.Unknown()
		}
	}
	return t
}

func readText(r *jsontext.Reader) (t Text) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "lowercase":
			t.Lowercase = r.Bool()
		case "prepare":
			t.Prepare = r.Text()
		case "strip_accents":
			t.StripAccents = r.Text()
		default:
			r.Unknown()
		}
	}
	return t
}

func readTFIDF(r *jsontext.Reader) (t TFIDF) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "blocks":
			t.Blocks = jsontext.List(r, readBlock)
		default:
			r.Unknown()
		}
	}
	return t
}

func readBlock(r *jsontext.Reader) (b Block) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "analyzer":
			b.Analyzer = r.Text()
		case "min_n":
			b.MinN = r.Int()
		case "max_n":
			b.MaxN = r.Int()
		case "stop_words":
			b.StopWords = r.Text()
		case "sublinear_tf":
			b.SublinearTF = r.Bool()
		case "norm":
			b.Norm = r.Text()
		case "terms":
			b.Terms = r.Int()
		default:
			r.Unknown()
		}
	}
	return b
}

func readLexicon(r *jsontext.Reader) (x Lexicon) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "max_n":
			x.MaxN = r.Int()
		case "phrases":
			x.Phrases = r.Int()
		case "entries":
			x.Entries = r.Int()
		case "concepts":
			x.Concepts = r.Int()
		case "unit":
			x.Unit = r.Float()
		default:
			r.Unknown()
		}
	}
	return x
}

func readLinear(r *jsontext.Reader) (l Linear) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "family":
			l.Family = r.Text()
		case "c":
			l.C = r.Float()
		default:
			r.Unknown()
		}
	}
	return l
}

func readEncoder(r *jsontext.Reader) (e Encoder) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "architecture":
			e.Architecture = r.Text()
		case "layers":
			e.Layers = r.Int()
		case "hidden":
			e.Hidden = r.Int()
		case "heads":
			e.Heads = r.Int()
		case "intermediate":
			e.Intermediate = r.Int()
		case "activation":
			e.Activation = r.Text()
		case "layer_norm_epsilon":
			e.Epsilon = r.Float()
		case "positions":
			e.Positions = r.Int()
		case "types":
			e.Types = r.Int()
		case "vocabulary":
			e.Vocabulary = r.Int()
		case "pooler":
			e.Pooler = r.Bool()
		case "pool":
			e.Pool = r.Text()
		case "weights":
			e.Weights = r.Text()
		case "tokenizer":
			e.Tokenizer = readTokenizer(r)
		case "window":
			e.Window = readWindow(r)
		default:
			r.Unknown()
		}
	}
	return e
}

func readTokenizer(r *jsontext.Reader) (t Tokenizer) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "kind":
			t.Kind = r.Text()
		case "lowercase":
			t.Lowercase = r.Bool()
		case "strip_accents":
			t.StripAccents = r.Bool()
		case "join_cjk":
			t.JoinCJK = r.Bool()
		case "max_word":
			t.MaxWord = r.Int()
		default:
			r.Unknown()
		}
	}
	return t
}

func readWindow(r *jsontext.Reader) (w Window) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "tokens":
			w.Tokens = r.Int()
		case "overlap":
			w.Overlap = r.Int()
		case "combine":
			w.Combine = r.Text()
		default:
			r.Unknown()
		}
	}
	return w
}

func readCalibration(r *jsontext.Reader) (c Calibration) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "kind":
			c.Kind = r.Text()
		case "slope":
			c.Slope = jsontext.List(r, (*jsontext.Reader).Float)
		case "intercept":
			c.Intercept = jsontext.List(r, (*jsontext.Reader).Float)
		case "ceiling":
			c.Ceiling = r.Float()
		default:
			r.Unknown()
		}
	}
	return c
}

func readCard(r *jsontext.Reader) (c Card) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "summary":
			c.Summary = r.Text()
		case "intended_use":
			c.IntendedUse = jsontext.List(r, (*jsontext.Reader).Text)
		case "limits":
			c.Limits = jsontext.List(r, (*jsontext.Reader).Text)
		case "data":
			c.Data = jsontext.List(r, readData)
		case "training":
			c.Training = r.Text()
		case "refitted":
			c.Refitted = r.Bool()
		case "evaluations":
			c.Evaluations = jsontext.List(r, readEvaluation)
		default:
			r.Unknown()
		}
	}
	return c
}

func readData(r *jsontext.Reader) (d Data) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "name":
			d.Name = r.Text()
		case "licence":
			d.Licence = r.Text()
		case "rows":
			d.Rows = r.Int()
		case "examples":
			d.Examples = r.Int()
		case "sha256":
			d.SHA256 = r.Text()
		case "part":
			d.Part = r.Text()
		default:
			r.Unknown()
		}
	}
	return d
}

func readEvaluation(r *jsontext.Reader) (e Evaluation) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "protocol":
			e.Protocol = r.Text()
		case "n":
			e.N = r.Int()
		case "figures":
			e.Figures = jsontext.List(r, readFigure)
		case "per_label":
			e.PerLabel = jsontext.List(r, readLabelFigure)
		case "reliability":
			e.Bins = jsontext.List(r, readBin)
		case "curve":
			e.Curve = jsontext.List(r, readPoint)
		case "pairs":
			e.Pairs = jsontext.List(r, readPair)
		default:
			r.Unknown()
		}
	}
	return e
}

func readFigure(r *jsontext.Reader) (f Figure) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "name":
			f.Name = r.Text()
		case "value":
			f.Value = r.Float()
		case "low":
			f.Low = r.Float()
		case "high":
			f.High = r.Float()
		default:
			r.Unknown()
		}
	}
	return f
}

func readLabelFigure(r *jsontext.Reader) (f LabelFigure) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "label":
			f.Label = r.Text()
		case "precision":
			f.Precision = r.Float()
		case "recall":
			f.Recall = r.Float()
		case "f1":
			f.F1 = r.Float()
		case "support":
			f.Support = r.Int()
		case "predicted":
			f.Predicted = r.Int()
		default:
			r.Unknown()
		}
	}
	return f
}

func readBin(r *jsontext.Reader) (b Bin) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "confidence":
			b.Confidence = r.Float()
		case "accuracy":
			b.Accuracy = r.Float()
		case "count":
			b.Count = r.Int()
		default:
			r.Unknown()
		}
	}
	return b
}

func readPoint(r *jsontext.Reader) (p Point) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "confidence":
			p.Confidence = r.Float()
		case "answered":
			p.Answered = r.Float()
		case "accuracy":
			p.Accuracy = r.Float()
		default:
			r.Unknown()
		}
	}
	return p
}

func readPair(r *jsontext.Reader) (p Pair) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "missed":
			p.Missed = r.Text()
		case "given":
			p.Given = r.Text()
		case "count":
			p.Count = r.Int()
		case "chance":
			p.Chance = r.Float()
		default:
			r.Unknown()
		}
	}
	return p
}

func readTensor(r *jsontext.Reader) (t Tensor) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "name":
			t.Name = r.Text()
		case "dtype":
			t.DType = r.Text()
		case "shape":
			t.Shape = jsontext.List(r, (*jsontext.Reader).Int)
		case "offset":
			t.Offset = r.Int64()
		case "size":
			t.Size = r.Int64()
		default:
			r.Unknown()
		}
	}
	return t
}

func readShard(r *jsontext.Reader) (s Shard) {
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "file":
			s.File = r.Text()
		case "size":
			s.Size = r.Int64()
		case "sha256":
			s.SHA256 = r.Text()
		default:
			r.Unknown()
		}
	}
	return s
}
