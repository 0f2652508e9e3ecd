namespace KestrelEventLoopTransport.Benchmarks.Server;

// What the clients of a run do.
internal enum ClientRun
{
    Http1,
    Http2,
    Tls,

    // Open a connection and close it.
    Connect,
}
