using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Framing.Codecs;

namespace KestrelEventLoopTransport.Framing;

/// <summary>
/// Reads frames from a <see cref="PipeReader"/>. For one reader at a time, as the <see cref="PipeReader"/> itself,
/// which it does not complete.
/// </summary>
/// <remarks>
/// <para>
/// Frame by frame: <c>await foreach (var frame in reader)</c>. Or, to answer all frames that arrived together with one
/// flush:
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
/// A frame is not copied. It is valid until the next call of any method of the reader: the next step of a loop.
/// </para>
/// <para>
/// A <see cref="FrameException"/> ends reading; every later call throws it again. Frames before the offending one have
/// been delivered by then. No frame is lost to an <see cref="OperationCanceledException"/>.
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
    /// Where the bytes come from. Nobody else reads it until <see cref="Release"/>. What was read before is either
    /// consumed or not examined, if <see cref="Release"/> is to be used.
    /// </param>
    /// <param name="codec">What a frame looks like.</param>
    /// <param name="options">What to do about frames that are too long or incomplete. Default: to fail.</param>
    public FrameReader(PipeReader input, FrameCodec codec, FrameReaderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(codec);
        _input = input;
        _options = options ?? FrameReaderOptions.Default;
        SetCodec(codec);
    }

    /// <summary>
    /// What a frame looks like. Another codec reads what is behind the last frame that was delivered. Best set right
    /// after that: as with <see cref="Release"/>, an incomplete frame whose bytes have been looked at already may not
    /// be looked at again before there are more of them.
    /// </summary>
    /// <exception cref="InvalidOperationException">The reader is in the middle of a frame that it discards.</exception>
    public FrameCodec Codec
    {
        get => _codec;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            if (_discarding)
            {
                throw new InvalidOperationException("The codec cannot be changed while a frame that is too long is discarded.");
            }

            SetCodec(value);
            BeginAgain();
        }
    }

    /// <summary>Whether <see cref="TryReadNext"/> gives what was discarded.</summary>
    internal bool ReportsDiscarded { get; set; }

    /// <summary>
    /// Number of frames dropped because they were too long, with <see cref="OversizedFrameBehavior.Discard"/>. A frame counts
    /// as soon as it is known to be too long.
    /// </summary>
    public long DiscardedFrames { get; private set; }

    /// <summary>Number of bytes dropped with these frames so far, with their headers and delimiters.</summary>
    public long DiscardedBytes { get; private set; }

    /// <summary>
    /// Gives the next frame of those that have arrived, without waiting. Returns false at the end of each batch, which
    /// is what one read of the <see cref="PipeReader"/> returned, even if there is more by then: so a loop ends, and
    /// its answers are flushed, however fast the peer sends.
    /// </summary>
    /// <param name="frame">The frame; it may be empty.</param>
    /// <exception cref="FrameException">What arrived is not a frame.</exception>
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

    /// <summary>Gives the next frame, or what was discarded in its place.</summary>
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

    /// <summary>Waits for a frame. <see cref="TryRead"/> gives it.</summary>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>Whether there is a frame; false when the stream has ended.</returns>
    /// <exception cref="FrameException">What arrived is not a frame, or the stream ended inside one.</exception>
    /// <exception cref="OperationCanceledException">
    /// The token was cancelled, or the <see cref="PipeReader"/>'s read (<see cref="PipeReader.CancelPendingRead"/>).
    /// </exception>
    public ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            return _found || _discarded is not null || Find() ? ValueTask.FromResult(true) : WaitAsync(take: false, cancellationToken);
        }
        catch (FrameException exception)
        {
            return ValueTask.FromException<bool>(exception);
        }
    }

    /// <summary>
    /// Gives the bytes behind the last frame back to the <see cref="PipeReader"/>, so that others can read them:
    /// another codec's reader, say. This one can go on later, with the first byte that nobody has consumed by then.
    /// </summary>
    /// <remarks>
    /// Best right after a frame was delivered. Later, the bytes of an incomplete frame may have been examined already
    /// (<see cref="PipeReader.AdvanceTo(SequencePosition, SequencePosition)"/>), and a read does not return before
    /// there are more of them.
    /// </remarks>
    public void Release()
    {
        if (!_discarding)
        {
            // Others may consume the current frame's bytes, so nothing is known about it any more.
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
            // The cancellation is for whoever reads next.
            _canceled = false;
            _input.CancelPendingRead();
        }
    }

    /// <summary>Enumerates the frames until the stream ends.</summary>
    /// <param name="cancellationToken">Ends the waiting for a frame.</param>
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

    // Pooled: each frame that has to be waited for would allocate the method's state otherwise.
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

            Hold(await _input.ReadAsync(cancellationToken).ConfigureAwait(false));
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

    /// <summary>Enumerates the frames of a <see cref="FrameReader"/>, each valid until the next step.</summary>
    public readonly struct Enumerator : IAsyncEnumerator<ReadOnlySequence<byte>>
    {
        private readonly FrameReader _reader;
        private readonly CancellationToken _cancellationToken;

        internal Enumerator(FrameReader reader, CancellationToken cancellationToken)
        {
            _reader = reader;
            _cancellationToken = cancellationToken;
        }

        /// <summary>The frame.</summary>
        public ReadOnlySequence<byte> Current => _reader._current;

        /// <summary>Waits for the next frame.</summary>
        /// <returns>Whether there is one; false when the stream has ended.</returns>
        /// <exception cref="FrameException">What arrived is not a frame, or the stream ended inside one.</exception>
        /// <exception cref="OperationCanceledException">As for <see cref="WaitToReadAsync"/>.</exception>
        public ValueTask<bool> MoveNextAsync() => _reader.MoveNextAsync(_cancellationToken);

        /// <summary>Does nothing: the reader stays as it is.</summary>
        public ValueTask DisposeAsync() => default;
    }
}
