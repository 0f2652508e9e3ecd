namespace KestrelEventLoopTransport;

// The time limits of connections.
public sealed partial class EndpointOptions
{
    /// <summary>
    /// How long a connection may be idle: nothing is sent and nothing is received. Measured from when the application
    /// gets the connection. Whole milliseconds, at least 1. Default: <see langword="null"/>: without limit.
    /// </summary>
    /// <remarks>
    /// <para>
    /// This and the other time limits also apply below TLS and HTTP, and while a handler blocks. They are never early.
    /// A connection that has been active ends late by a quarter of the limit at most.
    /// </para>
    /// <para>
    /// A connection that reaches a limit ends with a FIN if all that was flushed has been passed to the kernel, else
    /// with a RST (but see <see cref="FinOnError"/>). Unix sockets have no RST: if bytes are unsent there, their loss
    /// looks like a regular end. Reads then throw a
    /// <see cref="Microsoft.AspNetCore.Connections.ConnectionAbortedException"/> whose inner exception is a
    /// <see cref="TimeoutException"/> that names the option; a connection handler has to catch it. They throw it when
    /// the callbacks of <c>ConnectionClosed</c> have returned, or after a second. The end is logged at level Debug
    /// (event 25) and counted (<c>event_loop.timed_out_connections</c>).
    /// </para>
    /// <para>
    /// In the middle of a response of which everything so far has been passed to the kernel, this limit and
    /// <see cref="MaxConnectionLifetime"/> end the connection with a FIN, because the transport does not know where a
    /// response ends. HTTP clients notice that the rest is missing.
    /// </para>
    /// <para>
    /// A handler that computes for a long time before it answers makes its connection idle. Choose a limit that is
    /// longer than that.
    /// </para>
    /// </remarks>
    public TimeSpan? IdleTimeout { get; set; }

    /// <summary>
    /// How long the application may wait for the peer to send something. Only the time during which a read waits
    /// counts, not the time in which a handler works or sends. With HTTP/1.1 that is mostly the time between requests;
    /// with HTTP/2, WebSockets and gRPC a read always waits. Whole milliseconds, at least 1. Default:
    /// <see langword="null"/>: without limit. See <see cref="IdleTimeout"/> for what happens then.
    /// </summary>
    public TimeSpan? ReceiveIdleTimeout { get; set; }

    /// <summary>
    /// How long the peer may take none of the bytes that wait to be sent. Each byte that the peer acknowledges counts
    /// as progress, so a slow peer is not stalled. TCP acknowledges what a slow application reads in steps of up to
    /// some 300 KB, so choose a limit that is longer than a slow peer takes for that. Whole milliseconds, at least 1.
    /// Default: <see langword="null"/>: without limit. The connection ends with a RST (but see
    /// <see cref="FinOnError"/>). See <see cref="IdleTimeout"/>.
    /// </summary>
    public TimeSpan? SendStallTimeout { get; set; }

    /// <summary>
    /// How long after accept the first byte may come. It also counts while the connection waits in the accept queue,
    /// and not after the peer has finished sending without a byte. Whole milliseconds, at least 1. Default:
    /// <see langword="null"/>: without limit. See <see cref="IdleTimeout"/> for what happens then.
    /// </summary>
    public TimeSpan? FirstByteTimeout { get; set; }

    /// <summary>
    /// How long the peer may take none of the bytes that are left when the application has completed its output. Each
    /// byte that the peer acknowledges counts as progress, in steps as with <see cref="SendStallTimeout"/>. Then the
    /// connection ends with a RST (but see <see cref="FinOnError"/>). It replaces <see cref="SendStallTimeout"/> during
    /// that time. A connection that has sent everything and waits for unread input of the peer ends after 5 seconds in
    /// any case. Whole milliseconds, at least 1; <see langword="null"/>: without limit. Default: 2 minutes. See
    /// <see cref="IdleTimeout"/>.
    /// </summary>
    public TimeSpan? CloseTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// How long after accept a connection is closed, so that long-lived connections spread over new processes. Kestrel
    /// is asked to close it as if the server stopped: HTTP finishes the current requests (HTTP/2 sends GOAWAY), and a
    /// connection handler sees <c>IConnectionLifetimeNotificationFeature.ConnectionClosedRequested</c>. If the
    /// connection is still open after <see cref="CloseTimeout"/>, it is aborted. Whole milliseconds, at least 1.
    /// Without Kestrel, or before Kestrel serves it, it is aborted at once. It also counts while the connection waits
    /// in the accept queue. Default: <see langword="null"/>: without limit. See <see cref="IdleTimeout"/>.
    /// </summary>
    public TimeSpan? MaxConnectionLifetime { get; set; }
}
