using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Framing.Tests.Clients;

/// <summary>Does for each attempt what a test says. Its connections have no sockets.</summary>
internal sealed class ScriptedFactory(Func<int, CancellationToken, ValueTask<ConnectionContext>> script)
    : IConnectionFactory
{
    private int _attempts;

    public int Attempts => Volatile.Read(ref _attempts);

    /// <summary>The other ends of the connections.</summary>
    public List<IDuplexPipe> Peers { get; } = [];

    public static ScriptedFactory Refusing() => new(
        static (_, _) => ValueTask.FromException<ConnectionContext>(new IOException("Refused.")));

    public static ScriptedFactory Accepting()
    {
        ScriptedFactory? factory = null;
        return factory = new ScriptedFactory((_, _) => ValueTask.FromResult<ConnectionContext>(factory!.Open()));
    }

    public ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
        => script(Interlocked.Increment(ref _attempts), cancellationToken);

    /// <summary>Ends the last connection as a peer does.</summary>
    public void EndLast() => Peers[^1].Output.Complete();

    private Connection Open()
    {
        var received = new Pipe();
        var sent = new Pipe();
        Peers.Add(new Duplex(sent.Reader, received.Writer));
        return new Connection(
            $"id {Peers.Count}", new Duplex(received.Reader, sent.Writer), new Duplex(sent.Reader, received.Writer));
    }

    private sealed class Connection(string id, IDuplexPipe transport, IDuplexPipe application)
        : DefaultConnectionContext(id, transport, application)
    {
        [SuppressMessage("Usage", "CA2215", Justification = "An abort still uses what it disposes of.")]
        public override ValueTask DisposeAsync() => default;
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
