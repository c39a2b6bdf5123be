package hub

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/klauspost/compress/zstd"
)

// A packed value is one byte, the version of the format and its dictionary, and
// a zstd frame of JSON. Readers accept every version up to theirs.

// dictionary1 holds what items have in common. Stored items depend on its every
// byte: a better one gets a new number beside it.
//
//go:embed dictionary/1.txt
var dictionary1 []byte

const format = 1

// maxPlain bounds what an item may grow to.
const maxPlain = 4 << 20

// Both are made at start: they hold channels, which may not be made in one
// testing/synctest bubble and used in another.
var encoder, decoder = newEncoder(), newDecoder()

func newEncoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderDictRaw(format, dictionary1),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are constants
	}
	e.EncodeAll(nil, nil)
	return e
}

func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPlain), zstd.WithDecoderDictRaw(format, dictionary1))
	if err != nil {
		panic(err) // as above
	}
	return d
}

func pack(v any) (types.AttributeValue, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("packing: %w", err)
	}
	if len(plain) > maxPlain {
		return nil, errors.New("packing: larger than 4 MB")
	}
	return &types.AttributeValueMemberB{Value: encoder.EncodeAll(plain, []byte{format})}, nil
}

func unpack(a types.AttributeValue, v any) error {
	b, _ := a.(*types.AttributeValueMemberB)
	if b == nil {
		return errors.New("nothing is stored")
	}
	return Unpack(b.Value, v)
}

// Unpack reads a packed value, for programs that look at a table at rest.
func Unpack(packed []byte, v any) error {
	if len(packed) == 0 {
		return errors.New("nothing is stored")
	}
	if packed[0] != format {
		return fmt.Errorf("format %d is unknown to this version of Loophub", packed[0])
	}
	plain, err := decoder.DecodeAll(packed[1:], nil)
	if err != nil {
		return fmt.Errorf("decompressing: %w", err)
	}
	return json.Unmarshal(plain, v)
}
