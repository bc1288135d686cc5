package classify

import (
	"fmt"
	"strconv"

	"bedside/weights/jsontext"
)

// ParseOptions reads options written as JSON. Its errors wrap ErrOptions.
func ParseOptions(text string) (o Options, err error) {
	r := jsontext.NewReader(text)
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "explain":
			o.Explain = r.Int()
		case "labels":
			o.Labels = r.Int()
		case "features":
			o.Features = r.Int()
		case "offsets":
			o.Offsets = r.Text()
		default:
			r.Unknown()
		}
	}
	if err := r.End(); err != nil {
		return Options{}, fmt.Errorf("%w: not readable: %w", ErrOptions, err)
	}
	return o, nil
}

// AppendJSON appends r, byte for byte as encoding/json writes it.
func AppendJSON(dst []byte, r *Result) []byte {
	dst = jsontext.AppendString(append(dst, `{"model":`...), r.Model)
	dst = jsontext.AppendString(append(dst, `,"task":`...), r.Task)
	dst = strconv.AppendBool(append(dst, `,"sure":`...), r.Sure)
	if r.Reason != "" {
		dst = jsontext.AppendString(append(dst, `,"reason":`...), r.Reason)
	}
	dst = jsontext.AppendInt(append(dst, `,"terms":`...), r.Terms)
	if r.Tokens != 0 {
		dst = jsontext.AppendInt(append(dst, `,"tokens":`...), r.Tokens)
	}
	if r.Windows != 0 {
		dst = jsontext.AppendInt(append(dst, `,"windows":`...), r.Windows)
	}
	dst = jsontext.AppendList(append(dst, `,"labels":`...), r.Labels, appendLabel)
	if r.Known != 0 {
		dst = jsontext.AppendInt(append(dst, `,"known":`...), r.Known)
	}
	if len(r.Explanations) > 0 {
		dst = jsontext.AppendList(append(dst, `,"explanations":`...), r.Explanations, appendExplanation)
	}
	if r.Unexplained != "" {
		dst = jsontext.AppendString(append(dst, `,"unexplained":`...), r.Unexplained)
	}
	return append(dst, '}')
}

func appendLabel(dst []byte, l Label) []byte {
	dst = jsontext.AppendInt(append(dst, `{"index":`...), l.Index)
	dst = jsontext.AppendString(append(dst, `,"name":`...), l.Name)
	dst = jsontext.AppendFloat(append(dst, `,"logit":`...), l.Logit)
	dst = jsontext.AppendFloat(append(dst, `,"probability":`...), l.Probability)
	dst = jsontext.AppendFloat(append(dst, `,"threshold":`...), l.Threshold)
	dst = strconv.AppendBool(append(dst, `,"clears":`...), l.Clears)
	return append(dst, '}')
}

func appendExplanation(dst []byte, e Explanation) []byte {
	dst = jsontext.AppendInt(append(dst, `{"index":`...), e.Index)
	dst = jsontext.AppendString(append(dst, `,"name":`...), e.Name)
	dst = jsontext.AppendFloat(append(dst, `,"logit":`...), e.Logit)
	dst = jsontext.AppendFloat(append(dst, `,"bias":`...), e.Bias)
	dst = jsontext.AppendFloat(append(dst, `,"rest":`...), e.Rest)
	dst = jsontext.AppendList(append(dst, `,"features":`...), e.Features, appendFeature)
	return append(dst, '}')
}

func appendFeature(dst []byte, f Feature) []byte {
	dst = jsontext.AppendFloat(append(dst, `{"contribution":`...), f.Contribution)
	dst = jsontext.AppendString(append(dst, `,"analyzer":`...), f.Analyzer)
	dst = jsontext.AppendInt(append(dst, `,"count":`...), f.Count)
	dst = jsontext.AppendList(append(dst, `,"spans":`...), f.Spans, appendSpan)
	return append(dst, '}')
}

func appendSpan(dst []byte, s [2]int) []byte {
	dst = jsontext.AppendInt(append(dst, '['), s[0])
	dst = jsontext.AppendInt(append(dst, ','), s[1])
	return append(dst, ']')
}
