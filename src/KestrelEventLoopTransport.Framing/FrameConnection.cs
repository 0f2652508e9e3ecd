using System.Buffers;
using System.Net;
using KestrelEventLoopTransport.Framing.Connections;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// A connection of a <see cref="FrameHandler"/>. All of its methods may be called from any thread, inside and outside
/// the handler's callbacks, and after the connection has ended.
/// </summary>
public sealed partial class FrameConnection
{
    private readonly ConnectionContext _connection;
    private volatile bool _aborted;

    /// <summary>Identifies the connection in logs.</summary>
    public string ConnectionId => _connection.ConnectionId;

    /// <summary>The local endpoint. Read it before the connection ends.</summary>
    public EndPoint? LocalEndPoint => _connection.LocalEndPoint;

    /// <summary>The peer's endpoint. Read it before the connection ends.</summary>
    public EndPoint? RemoteEndPoint => _connection.RemoteEndPoint;

    /// <summary>
    /// The connection's features: TLS, the socket and so on. Read them before the connection ends.
    /// </summary>
    public IFeatureCollection Features => _connection.Features;

    /// <summary>Cancelled when the connection has ended or broken, even while a callback is running.</summary>
    public CancellationToken ConnectionClosed => _connection.ConnectionClosed;

    /// <summary>Holds anything that the handler keeps with the connection.</summary>
    public object? Context
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, value);
    }

    /// <summary>The endpoint that accepted the connection.</summary>
    public FrameEndpoint Endpoint => _endpoint;

    /// <summary>The codec of the frames that the peer sends.</summary>
    public FrameCodec Codec => _reader.Codec;

    /// <summary>The codec of the frames that the peer gets.</summary>
    public FrameCodec WriteCodec => _output.Codec;

    /// <summary>
    /// Whether the connection has ended or is about to: it was closed or aborted, has broken, or the peer has ended it.
    /// Also true after <see cref="StopSendingAsync"/>. Nothing that is written or sent from now on arrives.
    /// </summary>
    public bool IsClosing => _output.End is not null;

    /// <summary>
    /// Writes a frame from a callback. What callbacks write for frames that arrived together leaves together, or as
    /// soon as it is 64 KiB. What a callback writes after its first <c>await</c> leaves at once. If the connection has
    /// ended, this does nothing.
    /// </summary>
    /// <remarks>
    /// It neither waits nor fails. After <see cref="FrameHandler.OnFrameAsync"/>, no further frames are read until the
    /// peer has taken what was written. Elsewhere nothing limits how much memory a slow peer takes: use
    /// <see cref="TrySend"/> there.
    /// </remarks>
    /// <param name="frame">The frame as a reader gets it, without prefix or delimiter. It is copied.</param>
    /// <exception cref="ArgumentException">
    /// A reader with the same codec would not get the same frame back. Nothing is written.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// The codec only reads, see <see cref="FrameCodec.LengthField"/>.
    /// </exception>
    public void Write(ReadOnlySpan<byte> frame) => _output.Write(new FramePayload(frame, default));

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    /// <summary>Writes a frame that comes in two parts, as <see cref="Write(ReadOnlySpan{byte})"/> does.</summary>
    /// <param name="header">The frame's first part.</param>
    /// <param name="payload">The rest of it.</param>
    public void Write(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload)
        => _output.Write(new FramePayload(header, payload));

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    public void Write(in ReadOnlySequence<byte> frame) => _output.Write(new FramePayload(frame));

    /// <summary>
    /// Writes bytes without encoding them, as <see cref="Write(ReadOnlySpan{byte})"/> writes a frame. They may be
    /// frames that <see cref="FrameCodec.Encode(IBufferWriter{byte}, ReadOnlySpan{byte})"/> has encoded, or no frame at
    /// all.
    /// </summary>
    /// <param name="bytes">The bytes. They are copied.</param>
    public void WriteEncoded(ReadOnlySpan<byte> bytes)
        => _output.Write(new FramePayload(bytes, default), isEncoded: true);

    /// <summary>Sends a frame at once, or as soon as earlier ones have been sent.</summary>
    /// <param name="frame">
    /// The frame as a reader gets it, without prefix or delimiter. It is copied before this returns.
    /// </param>
    /// <returns>
    /// A task that completes when the transport has taken the frame, not when the peer has received it. It fails with a
    /// <see cref="ConnectionAbortedException"/> if the connection ends first, and with an
    /// <see cref="InvalidOperationException"/> if <see cref="FrameHandlerOptions.MaxQueuedBytes"/> are already waiting.
    /// Under TLS, a frame that is sent just after the connection has ended may count as taken.
    /// </returns>
    /// <exception cref="ArgumentException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    /// <exception cref="NotSupportedException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    public Task SendAsync(ReadOnlyMemory<byte> frame)
        => _output.SendAsync(new FramePayload(frame.Span, default));

    /// <summary>Sends bytes without encoding them, as <see cref="SendAsync"/> sends a frame.</summary>
    /// <param name="bytes">The bytes. They are copied before this returns.</param>
    /// <returns>As <see cref="SendAsync"/>.</returns>
    public Task SendEncodedAsync(ReadOnlyMemory<byte> bytes)
        => _output.SendAsync(new FramePayload(bytes.Span, default), isEncoded: true);

    /// <summary>
    /// Sends a frame as <see cref="SendAsync"/> does, without a task to wait for: for example to many connections.
    /// </summary>
    /// <param name="frame">The frame as a reader gets it, without prefix or delimiter. It is copied.</param>
    /// <returns>
    /// Whether the frame was taken. If not, whether the peer reads too slowly or the connection has ended.
    /// </returns>
    /// <exception cref="ArgumentException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    /// <exception cref="NotSupportedException">As for <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    public SendResult TrySend(ReadOnlySpan<byte> frame)
        => _output.TrySend(new FramePayload(frame, default));

    /// <summary>
    /// Sends bytes without encoding them, as <see cref="TrySend"/> sends a frame: for example a frame that was encoded
    /// once for many connections.
    /// </summary>
    /// <param name="bytes">The bytes. They are copied.</param>
    /// <returns>As <see cref="TrySend"/>.</returns>
    public SendResult TrySendEncoded(ReadOnlySpan<byte> bytes)
        => _output.TrySend(new FramePayload(bytes, default), isEncoded: true);

    /// <summary>Sends a frame that was encoded with a codec. Null: the codec has been switched.</summary>
    internal SendResult? TrySendEncodedBy(FrameCodec codec, ReadOnlySpan<byte> bytes)
        => _output.TrySend(new FramePayload(bytes, default), codec);

    /// <summary>
    /// Changes the codec of both directions. The bytes behind the current frame are read with the new codec. Each frame
    /// that is sent after the switch is encoded with it, whichever thread sends it.
    /// </summary>
    /// <param name="codec">The codec from now on.</param>
    /// <exception cref="InvalidOperationException">
    /// None of <see cref="FrameHandler.OnConnectedAsync"/>, <see cref="FrameHandler.OnFrameAsync"/> and
    /// <see cref="FrameHandler.OnInvalidFrameAsync"/> is running.
    /// </exception>
    public void SwitchCodec(FrameCodec codec) => SwitchCodec(codec, codec);

    /// <inheritdoc cref="SwitchCodec(FrameCodec)"/>
    /// <param name="codec">The codec of the frames that the peer sends.</param>
    /// <param name="writeCodec">The codec of the frames that the peer gets.</param>
    public void SwitchCodec(FrameCodec codec, FrameCodec writeCodec)
    {
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(writeCodec);
        if (!_maySwitch)
        {
            throw new InvalidOperationException(
                "The codec can only be switched inside OnConnectedAsync, OnFrameAsync or OnInvalidFrameAsync. "
                + "Elsewhere it is not known at which byte the new codec would begin.");
        }

        _reader.Codec = codec;
        _output.Codec = writeCodec;
    }

    /// <summary>
    /// Requests a call of <see cref="FrameHandler.OnWakeAsync"/>, which follows soon on another thread. Requests before
    /// it runs count as one. A request while it runs leads to another call.
    /// </summary>
    public void Wake() => _turn.Ask(TurnFlags.WakeDue);

    /// <summary>
    /// Closes the connection after everything that was written or sent so far, or if the peer takes nothing for
    /// <see cref="FrameHandlerOptions.CloseTimeout"/>. No further frame is delivered or taken. Ticks go on until the
    /// transport has taken all bytes. The transport goes on sending after
    /// <see cref="FrameHandler.OnDisconnectedAsync"/>, for another <see cref="FrameHandlerOptions.CloseTimeout"/> at
    /// most; <see cref="Abort"/> ends that too.
    /// </summary>
    public void Close()
    {
        _output.Stop();
        EndReading();
    }

    /// <summary>
    /// Takes no further frame to send, and goes on reading. Nothing of this package uses the transport's
    /// <c>PipeWriter</c> any more when the task has completed. A transport that can finish sending without closing may
    /// then be told to, by <c>IConnectionHalfCloseFeature.FinishSending</c> of this project's transport.
    /// </summary>
    /// <returns>
    /// A task that completes when the transport has taken everything that was written or sent so far, or never will
    /// because the connection has broken.
    /// </returns>
    public Task StopSendingAsync()
    {
        _output.Stop("Nothing can be sent after StopSendingAsync was called.");
        return _output.CloseAsync().AsTask();
    }

    /// <summary>Resets the connection at once. Bytes that were not sent are lost.</summary>
    /// <param name="reason">A sentence for the log and for <see cref="FrameHandler.OnDisconnectedAsync"/>.</param>
    public void Abort(string? reason = null)
    {
        AbortWith(new ConnectionAbortedException(reason ?? "The connection was aborted by the application."));
    }

    /// <returns>Whether this is why the connection ends, and nothing that came before.</returns>
    private bool AbortWith(ConnectionAbortedException error)
    {
        var isFirst = Interlocked.CompareExchange(ref _error, error, null) is null;
        _output.Stop();
        _endsReading = true;
        _aborted = true;
        _connection.Abort(error);
        return isFirst;
    }
}
