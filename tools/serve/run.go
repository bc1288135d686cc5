package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// DefaultAddress is where Run listens when nothing else is asked for.
const DefaultAddress = "127.0.0.1:8765"

// Limits on one connection. Writing may take long: a bundle over a slow link.
const (
	readTimeout    = 10 * time.Second
	writeTimeout   = 2 * time.Minute
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
	defaultGrace   = 5 * time.Second
)

// Options configure Run.
type Options struct {
	Site fs.FS // the assembled site

	// Address is host:port. Empty means DefaultAddress, or a free port of the same
	// host where that one is taken.
	Address string
	// AllowRemote permits an address that other machines can reach.
	AllowRemote bool

	Log   *slog.Logger         // requests and server errors; nil logs nothing
	Ready func(address string) // called once with the page's URL, when it can be opened
	Grace time.Duration        // how long running answers may go on after ctx ends; 0 means 5 s
}

// Run serves the site until ctx ends, then lets running answers finish. It returns
// nil after such an end.
func Run(ctx context.Context, options Options) error {
	handler, err := Handler(options.Site, options.Log)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, options)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(errorHandler(options.Log), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if options.Ready != nil {
		options.Ready("http://" + listener.Addr().String() + "/")
	}
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	return shutDown(context.WithoutCancel(ctx), server, options.Grace)
}

func errorHandler(log *slog.Logger) slog.Handler {
	if log == nil {
		return slog.DiscardHandler
	}
	return log.Handler()
}

func shutDown(ctx context.Context, server *http.Server, grace time.Duration) error {
	if grace == 0 {
		grace = defaultGrace
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("serve: shutting down: %w", err)
	}
	return nil
}

func listen(ctx context.Context, options Options) (net.Listener, error) {
	address := options.Address
	if address == "" {
		address = DefaultAddress
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("serve: address %q: want host:port, such as %s: %w", address, DefaultAddress, err)
	}
	if !options.AllowRemote && !isLoopback(host) {
		return nil, remote(address)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if options.Address == "" && errors.Is(err, syscall.EADDRINUSE) {
		listener, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, fmt.Errorf("serve: listening on %s: %w", address, err)
	}
	// localhost is whatever this machine's resolver says.
	if at, ok := listener.Addr().(*net.TCPAddr); !options.AllowRemote && !(ok && at.IP.IsLoopback()) {
		listener.Close()
		return nil, remote(address)
	}
	return listener, nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func remote(address string) error {
	return fmt.Errorf("serve: %s can be reached from other machines, and plain HTTP lets whoever is on the way change the page that reads notes: "+
		"use a loopback address such as %s, or allow remote access explicitly and put TLS in front", address, DefaultAddress)
}
