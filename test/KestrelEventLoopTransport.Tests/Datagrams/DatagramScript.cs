using System.Collections.Concurrent;
using System.Net.Sockets;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>What the handler of a <see cref="DatagramServer"/> does, and what it has seen.</summary>
internal sealed class DatagramScript
{
    public delegate void Receive(ReadOnlySpan<Datagram> datagrams, DatagramSender sender);

    public required Receive OnDatagrams { get; init; }

    public Action OnStarted { get; init; } = static () => { };

    public ConcurrentQueue<(SocketError Error, DatagramAddress Address)> Errors { get; } = new();

    public DatagramEndpoint? Endpoint { get; set; }

    /// <summary>What a test tells its handler.</summary>
    public object? Tag { get; set; }

    public bool IsDisposed { get; set; }

    /// <summary>Answers each datagram with its own bytes.</summary>
    public static void Echo(ReadOnlySpan<Datagram> datagrams, DatagramSender sender)
    {
        foreach (ref readonly var datagram in datagrams)
        {
            sender.Reply(datagram.Payload, datagram);
        }
    }
}
