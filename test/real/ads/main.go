// An ADS server on go-control-plane, for the gateway's tests: a peer that shares no code with it.
//
// It takes states on its standard input, one JSON line each: {"<type URL>": {"<resource name>": "<base64 of the message>"}}, and ends when
// the input does. On its standard output it says, one JSON line each, where it listens and what clients acknowledge or refuse.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"log"
	"net"
	"os"
	"strings"
	"sync"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

const maxStateBytes = 64 << 20

type answer struct {
	Listening string            `json:"listening,omitempty"`
	Type      string            `json:"type,omitempty"`
	Nonce     string            `json:"nonce,omitempty"`
	Error     string            `json:"error,omitempty"`
	Node      string            `json:"node,omitempty"`
	Initial   map[string]string `json:"initial,omitempty"`
}

var mu sync.Mutex

func say(a answer) {
	mu.Lock()
	defer mu.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		log.Fatal(err)
	}
}

// message carries bytes that this program has no type for: they are unknown fields of an empty message.
func message(bytes []byte) types.Resource {
	m := &emptypb.Empty{}
	m.ProtoReflect().SetUnknown(bytes)
	return m
}

func main() {
	typeURLs := flag.String("types", "", "type URLs served, comma-separated")
	flag.Parse()

	caches := map[string]cache.Cache{}
	linear := map[string]*cache.LinearCache{}
	for _, url := range strings.Split(*typeURLs, ",") {
		linear[url] = cache.NewLinearCache(url)
		caches[url] = linear[url]
	}
	mux := &cache.MuxCache{
		Classify:      func(r *cache.Request) string { return r.GetTypeUrl() },
		ClassifyDelta: func(r *cache.DeltaRequest) string { return r.GetTypeUrl() },
		Caches:        caches,
	}
	callbacks := server.CallbackFuncs{
		StreamDeltaRequestFunc: func(_ int64, r *discovery.DeltaDiscoveryRequest) error {
			a := answer{Type: r.GetTypeUrl(), Nonce: r.GetResponseNonce(), Initial: r.GetInitialResourceVersions()}
			if r.GetErrorDetail() != nil {
				a.Error = r.GetErrorDetail().GetMessage()
			}
			if r.GetNode() != nil {
				a.Node = r.GetNode().GetId()
			}
			say(a)
			return nil
		},
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	grpcServer := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, server.NewServer(context.Background(), mux, callbacks))
	go func() {
		if err := grpcServer.Serve(listener); err != nil {
			log.Fatal(err)
		}
	}()
	say(answer{Listening: listener.Addr().String()})

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), maxStateBytes)
	for lines.Scan() {
		var state map[string]map[string][]byte
		if err := json.Unmarshal(lines.Bytes(), &state); err != nil {
			log.Fatal(err)
		}
		for url, one := range linear {
			resources := map[string]types.Resource{}
			for name, bytes := range state[url] {
				resources[name] = message(bytes)
			}
			one.SetResources(resources)
		}
	}
	grpcServer.Stop()
}
