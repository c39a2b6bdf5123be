package delivery

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"

	connector "loophub/connectors"
)

// A packed request is one byte, the version of the dictionary, and an S2 block. The
// block holds length-prefixed texts: method, rest, query, the number of header lines,
// name and value of each, and last the body.
//
// The codec was chosen by measurement on an order of 6.2 KB, all with this dictionary:
//
//	S2                               3 µs   1.36 KB
//	zstd fastest, no entropy coding  10 µs  1.05 KB
//	zstd fastest                     15 µs  0.95 KB
//	Deflate 1                        32 µs  2.05 KB
//	Deflate 7                        61 µs  0.79 KB
//
// All of them make an item of two write units (Deflate 7 sometimes one); S2 alone
// leaves room in the handler's budget of 400,000 instructions, of which zstd takes
// half. Where it saves units on a merchant's own data, it can become version 2.

// dictionary1 holds the skeletons of what shops send. Stored deliveries depend
// on its every byte: a better one gets a new number beside it.
//
//go:embed dictionary/1.txt
var dictionary1 []byte

// dictionaryVersion is what pack uses; unpack reads every version up to it.
const dictionaryVersion = 1

// maxUnpacked bounds what a packed request may grow to: 6 MB of body, and room
// for the rest.
const maxUnpacked = 7 << 20

var codec1 = s2.MakeDict(dictionary1, nil)

// buffers are for what pack compresses and for what comes out of it.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 16<<10)) }}

// give returns a buffer to the pool; a rare large one is not kept.
func give(buffer *[]byte, b []byte) {
	if cap(b) <= 64<<10 {
		*buffer = b
		buffers.Put(buffer)
	}
}

func pack(r connector.Request) []byte {
	in, out := buffers.Get().(*[]byte), buffers.Get().(*[]byte)
	plain := text((*in)[:0], r.Method)
	plain = text(plain, r.Rest)
	plain = text(plain, r.Query.Encode())
	lines := 0
	for _, values := range r.Header {
		lines += len(values)
	}
	plain = binary.AppendUvarint(plain, uint64(lines))
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[name] {
			plain = text(text(plain, name), v)
		}
	}
	plain = append(binary.AppendUvarint(plain, uint64(len(r.Body))), r.Body...)
	block := codec1.Encode((*out)[:cap(*out)], plain)
	packed := append(append(make([]byte, 0, len(block)+1), dictionaryVersion), block...)
	give(in, plain)
	give(out, block)
	return packed
}

func text(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func unpack(packed []byte) (connector.Request, error) {
	if len(packed) == 0 {
		return connector.Request{}, errors.New("nothing is stored")
	}
	if packed[0] != dictionaryVersion {
		return connector.Request{}, fmt.Errorf("dictionary %d is unknown to this version of Loophub", packed[0])
	}
	size, err := s2.DecodedLen(packed[1:])
	if err != nil {
		return connector.Request{}, fmt.Errorf("decompressing: %w", err)
	}
	if size > maxUnpacked {
		return connector.Request{}, fmt.Errorf("decompressing: it would grow to %d bytes", size)
	}
	plain, err := codec1.Decode(nil, packed[1:])
	if err != nil {
		return connector.Request{}, fmt.Errorf("decompressing: %w", err)
	}
	in := reader{rest: plain}
	r := connector.Request{Method: in.text(), Rest: in.text()}
	r.Query, err = url.ParseQuery(in.text())
	if err != nil {
		return connector.Request{}, errors.New("the stored query can't be read")
	}
	r.Header = http.Header{}
	for n := in.number(); n > 0 && !in.short; n-- {
		name := in.text()
		r.Header[name] = append(r.Header[name], in.text())
	}
	r.Body = in.bytes()
	if in.short || len(in.rest) > 0 {
		return connector.Request{}, errors.New("the stored request is cut")
	}
	return r, nil
}

// reader takes length-prefixed texts off a buffer; short says that it ended early.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.short, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.short, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }
