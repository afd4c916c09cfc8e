// Command proxystates prints what kube-proxy does with external traffic on each node of a cluster.
//
// It holds kube-proxy's own trackers (k8s.io/kubernetes/pkg/proxy), one of each for a node and an IP family, and asks
// CategorizeEndpoints. It reads a cluster as one JSON value {"nodes": [], "services": [], "slices": []} after another
// from stdin, with objects as the API serves them, and prints one line of JSON for each:
//
//	states:  [namespace, Service, port, protocol, family, node, ready|terminating|dropped|rejected]
//	healthy: [namespace, Service, family, node, whether healthCheckNodePort answers 200]
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	v1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/kubernetes/pkg/proxy"
	"k8s.io/kubernetes/pkg/proxy/apis"
)

type cluster struct {
	Nodes    []v1.Node                 `json:"nodes"`
	Services []v1.Service              `json:"services"`
	Slices   []discovery.EndpointSlice `json:"slices"`
}

type answer struct {
	States  [][7]string `json:"states"`
	Healthy [][5]any    `json:"healthy"`
}

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
		var found answer
		for i := range read.Nodes {
			for _, family := range []v1.IPFamily{v1.IPv4Protocol, v1.IPv6Protocol} {
				found.add(&read, &read.Nodes[i], family)
			}
		}
		if err := out.Encode(found); err != nil {
			log.Fatal(err)
		}
	}
	if err := buffered.Flush(); err != nil {
		log.Fatal(err)
	}
}

// setDefaults sets the protocol, and the name of an endpoint port, as the API server does
// (pkg/apis/discovery/v1/defaults.go).
func (c *cluster) setDefaults() {
	for i := range c.Services {
		for j := range c.Services[i].Spec.Ports {
			if port := &c.Services[i].Spec.Ports[j]; port.Protocol == "" {
				port.Protocol = v1.ProtocolTCP
			}
		}
	}
	tcp, unnamed := v1.ProtocolTCP, ""
	for i := range c.Slices {
		for j := range c.Slices[i].Ports {
			port := &c.Slices[i].Ports[j]
			if port.Protocol == nil {
				port.Protocol = &tcp
			}
			if port.Name == nil {
				port.Name = &unnamed
			}
		}
	}
}

// add fills the trackers as the informers of cmd/kube-proxy/app/server.go do.
func (a *answer) add(read *cluster, node *v1.Node, family v1.IPFamily) {
	services := proxy.NewServiceChangeTracker(family, nil, nil)
	endpoints := proxy.NewEndpointsChangeTracker(family, node.Name, nil, nil)
	for i := range read.Services {
		service := &read.Services[i]
		_, foreign := service.Labels[apis.LabelServiceProxyName]
		if !foreign && service.Spec.ClusterIP != v1.ClusterIPNone {
			services.Update(nil, service)
		}
	}
	for i := range read.Slices {
		if _, headless := read.Slices[i].Labels[v1.IsHeadlessService]; !headless {
			endpoints.EndpointSliceUpdate(&read.Slices[i], false)
		}
	}
	servicePorts, byPort := make(proxy.ServicePortMap), make(proxy.EndpointsMap)
	servicePorts.Update(services)
	byPort.Update(endpoints)
	for name, info := range servicePorts {
		if info.ExternalPolicyLocal() && info.ExternallyAccessible() {
			state := stateOf(byPort[name], info, node)
			a.States = append(a.States, [7]string{
				name.Namespace, name.Name, name.Port, string(name.Protocol), string(family), node.Name, state,
			})
		}
	}
	ready := byPort.LocalReadyEndpoints()
	for service := range servicePorts.HealthCheckNodePorts() {
		healthy := ready[service] > 0
		a.Healthy = append(a.Healthy, [5]any{service.Namespace, service.Name, family, node.Name, healthy})
	}
}

// stateOf reads the endpoints as iptables/proxier.go syncProxyRules does.
func stateOf(all []proxy.Endpoint, info proxy.ServicePort, node *v1.Node) string {
	_, local, _, usable := proxy.CategorizeEndpoints(all, info, node.Name, node.Labels)
	switch {
	case !usable:
		return "rejected"
	case len(local) == 0:
		return "dropped"
	case local[0].IsReady():
		return "ready"
	default:
		return "terminating"
	}
}
