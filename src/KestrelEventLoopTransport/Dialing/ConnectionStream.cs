using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Connections.Input;
using KestrelEventLoopTransport.Connections.Output;
using Microsoft.AspNetCore.Connections;

namespace KestrelEventLoopTransport.Dialing;

/// <summary>
/// A connection as a <see cref="Stream"/>, which owns it. One read and one write may go on at the same time, and
/// disposing may meet both. A read of no bytes completes when there is something to read, or the end; while it waits no
/// memory is rented.
/// </summary>
/// <remarks>
/// A write has completed when the connection has taken the bytes, which may hold up to <c>MaxWriteBufferSize</c> of
/// them that the kernel has no room for. If the kernel has taken them all, the write has succeeded even if the peer has
/// reset the connection by then: its answer may be there to be read. Disposing ends a pending read and a pending write,
/// sends what was written, and does not wait for it. If the peer takes nothing for as long as the connection's close
/// timeout (30 seconds), the connection is aborted.
/// </remarks>
internal sealed class ConnectionStream(ConnectionContext connection) : Stream
{
    private readonly PipeReader _input = connection.Transport.Input;
    private readonly PipeWriter _output = connection.Transport.Output;

    // Null if middleware has put a reader of its own before the connection's.
    private readonly ReadTarget? _target = (connection.Transport.Input as ConnectionInput)?.AttachStream();
    private StreamUse _use;

    // What a read of no bytes has found, for the next read. To give it back would mark the bytes as seen, and a reset
    // then comes before them.
    private ReadResult? _found;

    public override bool CanRead => !_use.IsDisposed;

    public override bool CanWrite => !_use.IsDisposed;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    /// <summary>Does nothing: each write is flushed.</summary>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Enter();
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            var reading = BeginRead(buffer, cancellationToken);
            try
            {
                return Take(await reading.ConfigureAwait(false), buffer);
            }
            finally
            {
                if (_target is not null)
                {
                    ((ConnectionInput)_input).EndStreamRead();
                }
            }
        }
        catch (ConnectionAbortedException exception)
        {
            throw Aborted(exception);
        }
        finally
        {
            Leave();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public override async ValueTask WriteAsync(
        ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Enter();
        try
        {
            // The output would keep the bytes, and send them with those of the next write.
            cancellationToken.ThrowIfCancellationRequested();
            var result = await _output.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (result.IsCanceled)
            {
                ObjectDisposedException.ThrowIf(_use.IsDisposed, this);
                throw new OperationCanceledException();
            }

            if (result.IsCompleted && _output is not ConnectionOutput { HasSentAll: true })
            {
                // The inner exception is what a stream of the system's socket has: callers look at its code.
                throw new IOException(
                    "The peer has closed the connection, or it was aborted.",
                    new SocketException((int)SocketError.ConnectionReset));
            }
        }
        finally
        {
            Leave();
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override int Read(byte[] buffer, int offset, int count)
        => ReadAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override void Write(byte[] buffer, int offset, int count)
        => WriteAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override IAsyncResult BeginRead(
        byte[] buffer, int offset, int count, AsyncCallback? callback, object? state)
        => TaskToAsyncResult.Begin(ReadAsync(buffer, offset, count, CancellationToken.None), callback, state);

    public override int EndRead(IAsyncResult asyncResult) => TaskToAsyncResult.End<int>(asyncResult);

    public override IAsyncResult BeginWrite(
        byte[] buffer, int offset, int count, AsyncCallback? callback, object? state)
        => TaskToAsyncResult.Begin(WriteAsync(buffer, offset, count, CancellationToken.None), callback, state);

    public override void EndWrite(IAsyncResult asyncResult) => TaskToAsyncResult.End(asyncResult);

    protected override void Dispose(bool disposing)
    {
        if (disposing && _use.TryDispose(out var isUnused))
        {
            if (isUnused)
            {
                _ = CloseAsync();
            }
            else
            {
                // What is pending returns now, and the last one closes.
                _input.CancelPendingRead();
                _output.CancelPendingFlush();
            }
        }

        base.Dispose(disposing);
    }

    private ValueTask<ReadResult> BeginRead(Memory<byte> buffer, CancellationToken cancellationToken)
        => _found is { } found ? new(found)
            : _target is null ? _input.ReadAsync(cancellationToken)
            : ((ConnectionInput)_input).ReadAsync(buffer, cancellationToken);

    private int Take(in ReadResult result, Memory<byte> target)
    {
        if (_target is { Filled: > 0 and var filled })
        {
            return filled;
        }

        var bytes = result.Buffer;
        if (result.IsCanceled && bytes.IsEmpty)
        {
            _input.AdvanceTo(bytes.Start);
            ObjectDisposedException.ThrowIf(_use.IsDisposed, this);
            throw new OperationCanceledException();
        }

        if (target.IsEmpty && !bytes.IsEmpty)
        {
            _found = result;
            return 0;
        }

        _found = null;
        var available = bytes.Length;
        var length = (int)Math.Min(available, target.Length);
        var taken = bytes.Slice(0, length);
        taken.CopyTo(target.Span);

        // What is left counts as not examined, so that the next read finds it at once. The loop may receive into the
        // segments from here on, so the sequence can no longer be asked for its length.
        _input.AdvanceTo(taken.End);
        return _target is not null && length > 0 && length == available
            ? length + ((ConnectionInput)_input).ReceiveMore(target[length..])
            : length;
    }

    private void Enter() => ObjectDisposedException.ThrowIf(!_use.TryEnter(), this);

    private void Leave()
    {
        if (_use.Leave())
        {
            _ = CloseAsync();
        }
    }

    /// <summary>Closes the connection, in the background. Nothing uses it any more.</summary>
    private async Task CloseAsync() => await connection.DisposeAsync().ConfigureAwait(false);

    /// <summary>
    /// Streams fail with an <see cref="IOException"/>. <see cref="ConnectionAbortedException"/> would look like a
    /// cancellation that the caller has asked for.
    /// </summary>
    private static IOException Aborted(ConnectionAbortedException exception) => new(exception.Message, exception);
}
