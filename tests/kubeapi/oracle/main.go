// Command crdserver runs the real apiextensions-apiserver over an embedded etcd and prints a kubeconfig: the judge of what a cluster says to a
// custom resource.
package main

import (
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
	servertesting "k8s.io/apiextensions-apiserver/pkg/cmd/server/testing"
	"k8s.io/client-go/tools/clientcmd"
	api "k8s.io/client-go/tools/clientcmd/api"
)

type logger struct{}

func (logger) Errorf(f string, a ...interface{}) { log.Printf(f, a...) }
func (logger) Fatalf(f string, a ...interface{}) { log.Fatalf(f, a...) }
func (logger) Logf(f string, a ...interface{})   { log.Printf(f, a...) }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	dir := os.Args[1]
	config := embed.NewConfig()
	config.Dir = filepath.Join(dir, "etcd")
	config.LogLevel = "error"
	client, peer := loopback(), loopback()
	config.ListenClientUrls = []url.URL{*client}
	config.AdvertiseClientUrls = []url.URL{*client}
	config.ListenPeerUrls = []url.URL{*peer}
	config.AdvertisePeerUrls = []url.URL{*peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	must(err)
	defer etcd.Close()
	<-etcd.Server.ReadyNotify()

	stub := filepath.Join(dir, "stub.kubeconfig")
	must(write(stub, "http://127.1.2.3:1", "", nil))
	server, err := servertesting.StartTestServer(logger{}, nil, []string{
		"--etcd-prefix", "oracle", "--etcd-servers", client.String(),
		"--authentication-skip-lookup",
		"--authentication-kubeconfig", stub, "--authorization-kubeconfig", stub, "--kubeconfig", stub,
		"--enable-priority-and-fairness=false",
		"--disable-admission-plugins", "NamespaceLifecycle,MutatingAdmissionWebhook,ValidatingAdmissionWebhook,ValidatingAdmissionPolicy",
	}, nil)
	must(err)
	defer server.TearDownFn()
	must(write(filepath.Join(dir, "kubeconfig"), server.ClientConfig.Host, server.ClientConfig.BearerToken, server.ClientConfig.CAData))
	fmt.Println(filepath.Join(dir, "kubeconfig"))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
}

func loopback() *url.URL {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	defer listener.Close()
	return &url.URL{Scheme: "http", Host: listener.Addr().String()}
}

func write(path, host, token string, ca []byte) error {
	config := api.NewConfig()
	config.Clusters["oracle"] = &api.Cluster{Server: host, CertificateAuthorityData: ca, TLSServerName: tls(ca)}
	config.AuthInfos["oracle"] = &api.AuthInfo{Token: token}
	config.Contexts["oracle"] = &api.Context{Cluster: "oracle", AuthInfo: "oracle", Namespace: "default"}
	config.CurrentContext = "oracle"
	return clientcmd.WriteToFile(*config, path)
}

func tls(ca []byte) string {
	if ca == nil {
		return ""
	}
	return "apiserver-loopback-client"
}
