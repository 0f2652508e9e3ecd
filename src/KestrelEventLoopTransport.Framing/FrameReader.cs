using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Reads frames from a <see cref="PipeReader"/>, which it does not complete. As with the <see cref="PipeReader"/>
/// itself, only one thread may use it at a time.
/// </summary>
/// <remarks>
/// <para>
/// To read frame by frame: <c>await foreach (var frame in reader)</c>. To answer all frames that arrived together with
/// one flush:
/// <code>
/// while (await reader.WaitToReadAsync())
/// {
///     while (reader.TryRead(out var frame))
///     {
///         writer.Write(frame);
///         if (writer.UnflushedBytes > 64 * 1024)
///         {
///             await writer.FlushAsync();
///         }
///     }
///     await writer.FlushAsync();
/// }
/// </code>
/// A frame is not copied. It is valid until the next call of any method of the reader.
/// </para>
/// <para>
/// A <see cref="FrameException"/> ends reading: every later call throws it again. The frames before the invalid one
/// have been delivered by then. An <see cref="OperationCanceledException"/> loses no frame.
/// </para>
/// </remarks>
public sealed partial class FrameReader : IAsyncEnumerable<ReadOnlySequence<byte>>
{
    private readonly PipeReader _input;
    private readonly FrameReaderOptions _options;

    // The same codec three times: as it was given, and as one of its two kinds.
    private FrameCodec _codec;
    private IncrementalCodec? _incrementalCodec;
    private CustomFrameCodec? _customCodec;

    /// <summary>Creates a reader.</summary>
    /// <param name="input">
    /// Supplies the bytes. No other code may read it until <see cref="Release"/>. If <see cref="Release"/> is used,
    /// bytes that were read before must be either consumed or not examined.
    /// </param>
    /// <param name="codec">Finds the frames.</param>
    /// <param name="options">How to treat oversized and incomplete frames. Default: reading fails.</param>
    public FrameReader(PipeReader input, FrameCodec codec, FrameReaderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(codec);
        _input = input;
        _options = options ?? FrameReaderOptions.Default;
        SetCodec(codec);
    }

    /// <summary>
    /// Finds the frames. A new codec reads the bytes behind the last frame that was delivered. It should be set right
    /// after that frame: as with <see cref="Release"/>, bytes of an incomplete frame that were examined may not be
    /// examined again before more bytes have arrived.
    /// </summary>
    /// <exception cref="InvalidOperationException">The reader is dropping an oversized frame.</exception>
    public FrameCodec Codec
    {
        get => _codec;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            if (_discarding)
            {
                throw new InvalidOperationException("The codec cannot be changed while an oversized frame is dropped.");
            }

            SetCodec(value);
            BeginAgain();
        }
    }

    /// <summary>Whether <see cref="TryReadNext"/> reports frames that were dropped.</summary>
    internal bool ReportsDiscarded { get; set; }

    /// <summary>
    /// Number of oversized frames that were dropped, with <see cref="OversizedFrameBehavior.Discard"/>. A frame counts
    /// as soon as it is known to be oversized.
    /// </summary>
    public long DiscardedFrames { get; private set; }

    /// <summary>Number of bytes of these frames so far, with their headers and delimiters.</summary>
    public long DiscardedBytes { get; private set; }

    /// <summary>
    /// Reads the next frame of those that have arrived, without waiting. It returns false at the end of each batch,
    /// even if more bytes have arrived by then. A batch is what one read of the <see cref="PipeReader"/> returned. So a
    /// loop ends and its answers are flushed however fast the peer sends.
    /// </summary>
    /// <param name="frame">The frame; it may be empty.</param>
    /// <exception cref="FrameException">The bytes are not a frame.</exception>
    public bool TryRead(out ReadOnlySequence<byte> frame)
    {
        if (_found || FindHeld())
        {
            Take(out frame);
            return true;
        }

        frame = default;
        return false;
    }

    /// <summary>Reads the next frame, or the error for a frame that was dropped in its place.</summary>
    internal bool TryReadNext(out ReadOnlySequence<byte> frame, out FrameException? discarded)
    {
        frame = default;
        discarded = null;
        if (!_found && _discarded is null && !FindHeld())
        {
            return false;
        }

        discarded = _discarded;
        _discarded = null;
        if (discarded is null)
        {
            Take(out frame);
        }

        return true;
    }

    /// <summary>Waits for a frame. <see cref="TryRead"/> then reads it.</summary>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>Whether there is a frame. False when the stream has ended.</returns>
    /// <exception cref="FrameException">The bytes are not a frame, or the stream ended inside a frame.</exception>
    /// <exception cref="OperationCanceledException">
    /// The token was cancelled, or the read was (<see cref="PipeReader.CancelPendingRead"/>).
    /// </exception>
    public ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            return _found || _discarded is not null || Find()
                ? ValueTask.FromResult(true)
                : WaitAsync(take: false, cancellationToken);
        }
        catch (FrameException exception)
        {
            return ValueTask.FromException<bool>(exception);
        }
    }

    /// <summary>
    /// Returns the bytes behind the last frame to the <see cref="PipeReader"/>, so that other code can read them. This
    /// reader can go on later, with the first byte that was not consumed by then.
    /// </summary>
    /// <remarks>
    /// Call it right after a frame was delivered. Later, the bytes of an incomplete frame may have been examined
    /// (<see cref="PipeReader.AdvanceTo(SequencePosition, SequencePosition)"/>), and a read does not return before more
    /// bytes have arrived.
    /// </remarks>
    public void Release()
    {
        if (!_discarding)
        {
            // Other code may consume the bytes of the current frame, so what is known of it is void.
            _found = false;
            _scan = default;
        }

        if (_holding)
        {
            // A PipeReader does not take back that bytes were examined.
            _kept = Math.Clamp(_kept - _held.Consumed, 0, _held.Rest.Length);
            AdvanceTo(_held.Start, _held.At(_kept));
        }

        if (_canceled)
        {
            // The cancellation applies to the next read, by any reader.
            _canceled = false;
            _input.CancelPendingRead();
        }
    }

    /// <summary>Enumerates the frames until the stream ends.</summary>
    /// <param name="cancellationToken">Cancels the wait for a frame.</param>
    public Enumerator GetAsyncEnumerator(CancellationToken cancellationToken = default) => new(this, cancellationToken);

    IAsyncEnumerator<ReadOnlySequence<byte>> IAsyncEnumerable<ReadOnlySequence<byte>>.GetAsyncEnumerator(
        CancellationToken cancellationToken)
        => GetAsyncEnumerator(cancellationToken);

    [MemberNotNull(nameof(_codec))]
    private void SetCodec(FrameCodec codec)
    {
        _codec = codec;
        _incrementalCodec = codec as IncrementalCodec;
        _customCodec = codec as CustomFrameCodec;
    }

    private bool FindHeld() => _holding ? Find() : TryHold() && Find();

    private ValueTask<bool> MoveNextAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (_found || Find())
            {
                Take(out _current);
                return ValueTask.FromResult(true);
            }

            return WaitAsync(take: true, cancellationToken);
        }
        catch (FrameException exception)
        {
            return ValueTask.FromException<bool>(exception);
        }
    }

    // Pooled, because otherwise each wait would allocate the state of the method.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> WaitAsync(bool take, CancellationToken cancellationToken)
    {
        while (true)
        {
            ThrowIfFailed();
            if (_ended)
            {
                return false;
            }

            if (_canceled)
            {
                _canceled = false;
                throw new OperationCanceledException("The read of the PipeReader was canceled.");
            }

            var read = _input.ReadAsync(cancellationToken);
            if (!read.IsCompleted)
            {
                NoteWait();
            }

            Hold(await read.ConfigureAwait(false));
            if (Find())
            {
                if (take)
                {
                    Take(out _current);
                }

                return true;
            }
        }
    }

    /// <summary>Enumerates the frames of a <see cref="FrameReader"/>. Each is valid until the next step.</summary>
    public readonly struct Enumerator : IAsyncEnumerator<ReadOnlySequence<byte>>
    {
        private readonly FrameReader _reader;
        private readonly CancellationToken _cancellationToken;

        internal Enumerator(FrameReader reader, CancellationToken cancellationToken)
        {
            _reader = reader;
            _cancellationToken = cancellationToken;
        }

        /// <summary>The current frame.</summary>
        public ReadOnlySequence<byte> Current => _reader._current;

        /// <summary>Waits for the next frame.</summary>
        /// <returns>Whether there is one; false when the stream has ended.</returns>
        /// <exception cref="FrameException">The bytes are not a frame, or the stream ended inside a frame.</exception>
        /// <exception cref="OperationCanceledException">As for <see cref="WaitToReadAsync"/>.</exception>
        public ValueTask<bool> MoveNextAsync() => _reader.MoveNextAsync(_cancellationToken);

        /// <summary>Does nothing. The reader can still be used.</summary>
        public ValueTask DisposeAsync() => default;
    }
}
