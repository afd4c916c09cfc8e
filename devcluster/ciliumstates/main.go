// Command ciliumstates prints what Cilium's kube-proxy replacement does with external traffic on each node of a
// cluster.
//
// It reads the objects as the agent of each node does, with the agent's own code: the selectors of the lists, the
// conversion of Services and EndpointSlices, and the writer of the load-balancing tables (pkg/loadbalancer). It reads
// one JSON value {"nodes": [], "services": [], "slices": [], "headless": false, "proxyName": ""} after another from
// stdin, with objects as the API serves them, and prints one line of JSON for each:
//
//	states:  [namespace, Service, port, protocol, family, node, forwards, usable]
//	healthy: [namespace, Service, node, whether healthCheckNodePort answers 200]
//
// "headless" is whether Ingress or Gateway API support is on. Every Service is taken as one with the policy Local.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	_ "unsafe" // for go:linkname

	"github.com/cilium/statedb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	cmtypes "github.com/cilium/cilium/pkg/clustermesh/types"
	"github.com/cilium/cilium/pkg/datapath/tables"
	"github.com/cilium/cilium/pkg/k8s"
	corev1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/core/v1"
	discovery "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/discovery/v1"
	"github.com/cilium/cilium/pkg/k8s/utils"
	lb "github.com/cilium/cilium/pkg/loadbalancer"
	_ "github.com/cilium/cilium/pkg/loadbalancer/reflectors"
	"github.com/cilium/cilium/pkg/loadbalancer/writer"
	"github.com/cilium/cilium/pkg/node"
	nodetypes "github.com/cilium/cilium/pkg/node/types"
	"github.com/cilium/cilium/pkg/source"
)

//go:linkname convertService github.com/cilium/cilium/pkg/loadbalancer/reflectors.convertService
func convertService(
	lb.Config, lb.ExternalConfig, *slog.Logger, *node.LocalNode, *corev1.Service, source.Source,
) (*lb.Service, []lb.FrontendParams)

//go:linkname convertEndpoints github.com/cilium/cilium/pkg/loadbalancer/reflectors.convertEndpoints
func convertEndpoints(
	*slog.Logger, lb.ExternalConfig, lb.ServiceName, iter.Seq2[cmtypes.AddrCluster, *k8s.Backend],
) iter.Seq[lb.Backend]

type cluster struct {
	Nodes     []corev1.Node             `json:"nodes"`
	Services  []corev1.Service          `json:"services"`
	Slices    []discovery.EndpointSlice `json:"slices"`
	Headless  bool                      `json:"headless"`
	ProxyName string                    `json:"proxyName"`
}

type answer struct {
	States  [][8]any `json:"states"`
	Healthy [][4]any `json:"healthy"`
}

var (
	quiet = slog.New(slog.DiscardHandler)
	all   = lb.ExternalConfig{EnableIPv4: true, EnableIPv6: true, KubeProxyReplacement: true}
)

func main() {
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	buffered := bufio.NewWriter(os.Stdout)
	out := json.NewEncoder(buffered)
	for {
		var read cluster
		if err := in.Decode(&read); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		read.setDefaults()
		read.keepWhatTheAgentLists()
		found := answer{States: [][8]any{}, Healthy: [][4]any{}}
		for i := range read.Nodes {
			found.add(&read, &read.Nodes[i])
		}
		if err := out.Encode(found); err != nil {
			log.Fatal(err)
		}
	}
	if err := buffered.Flush(); err != nil {
		log.Fatal(err)
	}
}

// setDefaults sets the protocol as the API server does.
func (c *cluster) setDefaults() {
	for i := range c.Services {
		for j := range c.Services[i].Spec.Ports {
			if port := &c.Services[i].Spec.Ports[j]; port.Protocol == "" {
				port.Protocol = corev1.ProtocolTCP
			}
		}
	}
}

// keepWhatTheAgentLists applies the selectors of daemon/k8s/resources.go, and orders the slices by name.
func (c *cluster) keepWhatTheAgentLists() {
	services := selector(utils.GetServiceAndEndpointListOptionsModifier(c.ProxyName, true))
	slices_ := selector(utils.GetEndpointSliceListOptionsModifier(c.ProxyName, c.Headless))
	c.Services = slices.DeleteFunc(c.Services, func(s corev1.Service) bool {
		return !services.Matches(labels.Set(s.Labels))
	})
	c.Slices = slices.DeleteFunc(c.Slices, func(s discovery.EndpointSlice) bool {
		return !slices_.Matches(labels.Set(s.Labels))
	})
	slices.SortFunc(c.Slices, func(a, b discovery.EndpointSlice) int { return cmp.Compare(a.Name, b.Name) })
}

func selector(modify func(*metav1.ListOptions), err error) labels.Selector {
	must(err)
	var options metav1.ListOptions
	modify(&options)
	return need(labels.Parse(options.LabelSelector))
}

// add adds the answers of one node.
func (a *answer) add(c *cluster, me *corev1.Node) {
	nodetypes.SetName(me.Name)
	local := &node.LocalNode{Node: nodetypes.Node{Name: me.Name, Labels: me.Labels}, Local: &node.LocalNodeInfo{}}
	for i := range c.Services {
		service := &c.Services[i]
		service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
		mine := read(c, service, local)
		service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
		anywhere := read(c, service, local)
		a.addService(service, me.Name, &mine, &anywhere)
	}
}

// The tables of one node with one Service.
type state struct {
	backends  statedb.RWTable[*lb.Backend]
	frontends statedb.RWTable[*lb.Frontend]
	txn       statedb.ReadTxn
	installed bool
}

// read fills the tables as the reflector does (pkg/loadbalancer/reflectors/k8s.go runServiceEndpointsReflector).
func read(c *cluster, service *corev1.Service, local *node.LocalNode) state {
	db := statedb.New()
	services := need(lb.NewServicesTable(lb.DefaultConfig, db))
	found := state{
		frontends: need(lb.NewFrontendsTable(lb.DefaultConfig, db)),
		backends:  need(lb.NewBackendsTable(db)),
	}
	nodes := need(node.NewLocalNodeTable(db))
	txn := db.WriteTxn(nodes)
	_, _, err := nodes.Insert(txn, local)
	must(err)
	txn.Commit()
	made := newWriter(map[string]any{
		"Log": quiet, "Config": lb.DefaultConfig, "DB": db, "NodeAddresses": need(tables.NewNodeAddressTable(db)),
		"Services": services, "Frontends": found.frontends, "Backends": found.backends, "Nodes": nodes,
		"SourcePriorities": source.NewSources(),
	})
	write := made.WriteTxn()
	name := lb.NewServiceName(service.Namespace, service.Name)
	svc, frontends := convertService(lb.DefaultConfig, all, quiet, local, service, source.Kubernetes)
	if svc != nil {
		found.installed = true
		must(made.UpsertServiceAndFrontends(write, svc, frontends...))
	}
	for i := range c.Slices {
		slice := &c.Slices[i]
		if slice.Namespace != service.Namespace || slice.Labels[discovery.LabelServiceName] != service.Name {
			continue
		}
		endpoints := k8s.ParseEndpointSliceV1(quiet, slice)
		backends := convertEndpoints(quiet, all, name, maps.All(endpoints.Backends))
		must(made.UpsertBackends(write, name, source.Kubernetes, backends))
	}
	write.Commit()
	found.txn = db.ReadTxn()
	return found
}

// newWriter calls writer.NewWriter, whose parameter has a private type.
func newWriter(values map[string]any) *writer.Writer {
	function := reflect.ValueOf(writer.NewWriter)
	params := reflect.New(function.Type().In(0)).Elem()
	for name, value := range values {
		params.FieldByName(name).Set(reflect.ValueOf(value))
	}
	results := function.Call([]reflect.Value{params})
	if err, failed := results[1].Interface().(error); failed {
		log.Fatal(err)
	}
	return results[0].Interface().(*writer.Writer)
}

func (a *answer) addService(service *corev1.Service, me string, mine, anywhere *state) {
	if !mine.installed {
		return
	}
	type key struct{ port, protocol, family string }
	forwards, usable := map[key]bool{}, map[key]bool{}
	collect := func(from *state, into map[key]bool) {
		for frontend := range from.frontends.All(from.txn) {
			if frontend.Type == lb.SVCTypeClusterIP || frontend.Address.Scope() == lb.ScopeInternal {
				continue
			}
			family := "IPv4"
			if frontend.Address.IsIPv6() {
				family = "IPv6"
			}
			at := key{string(frontend.PortName), frontend.Address.Protocol(), family}
			into[at] = into[at] || count(frontend.Backends) > 0
		}
	}
	collect(mine, forwards)
	collect(anywhere, usable)
	for at, yes := range forwards {
		a.States = append(a.States, [8]any{
			service.Namespace, service.Name, at.port, at.protocol, at.family, me, yes, usable[at],
		})
	}
	if len(forwards) > 0 {
		// As getLocalEndpointCount of pkg/loadbalancer/healthserver/healthserver.go, which has no exported name.
		healthy := false
		found, _ := lb.ListBackendsByServiceName(
			mine.txn, mine.backends, lb.NewServiceName(service.Namespace, service.Name))
		for backend := range lb.PreferredBackendsByAddress(found) {
			local := backend.NodeName == "" || backend.NodeName == me
			healthy = healthy || local && backend.State == lb.BackendStateActive
		}
		a.Healthy = append(a.Healthy, [4]any{service.Namespace, service.Name, me, healthy})
	}
}

// count is how many backends get new connections: updateFrontend of pkg/loadbalancer/reconciler/bpf_reconciler.go.
func count(backends lb.BackendsSeq2) int {
	active, terminating := 0, 0
	for backend := range backends {
		switch backend.State {
		case lb.BackendStateActive:
			active++
		case lb.BackendStateTerminating:
			terminating++
		}
	}
	if active > 0 {
		return active
	}
	return terminating
}

func need[T any](value T, err error) T {
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
