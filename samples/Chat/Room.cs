using System.Collections.Concurrent;
using System.Threading.Channels;
using KestrelEventLoopTransport.Framing;

namespace Chat;

/// <summary>The members, and the messages that were not sent to all of them yet.</summary>
internal sealed class Room
{
    private readonly ConcurrentDictionary<FrameConnection, bool> _members = new();
    private readonly Channel<byte[]> _said = Channel.CreateBounded<byte[]>(1024);

    public IEnumerable<FrameConnection> Members => _members.Keys;

    public IAsyncEnumerable<byte[]> Said => _said.Reader.ReadAllAsync();

    public void Enter(FrameConnection member) => _members[member] = true;

    public void Leave(FrameConnection member) => _members.TryRemove(member, out _);

    /// <summary>Waits while the queue is full, so that members who write too fast are not read.</summary>
    public ValueTask SayAsync(byte[] message) => _said.Writer.WriteAsync(message);

    public void Close() => _said.Writer.TryComplete();
}
