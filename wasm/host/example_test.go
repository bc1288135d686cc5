package host_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"bedside/wasm/classify"
	"bedside/wasm/host"
)

// Classify a note with a bundle on disk.
func Example() {
	ctx := context.Background()
	h, err := host.New(ctx, host.Options{CacheDir: "/var/cache/bedside"})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close(ctx)
	m, err := h.LoadDir(ctx, "weights/specialty")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	result, err := m.Classify(ctx, "Patient walked in with knee pain after a fall.", classify.Options{Explain: 1})
	if err != nil {
		log.Fatal(err)
	}
	if !result.Sure {
		fmt.Println("not sure:", result.Reason)
	}
	for _, label := range result.Labels {
		if label.Clears {
			fmt.Printf("%s %.2f\n", label.Name, label.Probability)
		}
	}
}

// A deadline ends a call that takes too long; an error's code says what to do.
func ExampleModel_Classify_deadline() {
	var m *host.Model // as loaded above

	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := m.Classify(ctx, "A note.", classify.Options{})
	var refusal *host.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("took too long")
	case errors.As(err, &refusal) && refusal.Code == host.CodeEmptyNote:
		fmt.Println("nothing to classify")
	}
}
