namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// What the handler's call has sent so far and which thread passes it to the kernel: a count of messages, and two bits.
/// </summary>
/// <remarks>
/// <para>Legal states, n from 0 to <see cref="DatagramSendBatch.Capacity"/>:</para>
/// <list type="table">
/// <item><term>n</term><description>The call collects: n messages wait for its end.</description></item>
/// <item><term>sending, n above 0</term>
/// <description>One thread passes the n messages to the kernel. Nothing is added.</description></item>
/// <item><term>uncorked, 0; uncorked, sending, n above 0</term>
/// <description>The call is overdue: nothing is added any more. What it sends goes to the kernel at once.</description>
/// </item>
/// </list>
/// <para>
/// The thread that runs the handler begins, appends and takes. The supervisor uncorks. The thread that moves to sending
/// ends it.
/// </para>
/// </remarks>
/// <param name="Value">The count with the bits.</param>
internal readonly record struct OutboxState(int Value)
{
    private const int CountMask = 0x3F;
    private const int SendingBit = 0x40;
    private const int UncorkedBit = 0x80;

    /// <summary>How many messages there are.</summary>
    internal int Count => Value & CountMask;

    internal bool IsSending => (Value & SendingBit) != 0;

    internal bool IsUncorked => (Value & UncorkedBit) != 0;

    /// <summary>For assertions: the remarks list the legal states.</summary>
    internal bool IsLegal
        => Count <= DatagramSendBatch.Capacity
            && (IsSending ? Count > 0 : !IsUncorked || Count == 0)
            && (Value & ~(CountMask | SendingBit | UncorkedBit)) == 0;

    /// <summary>A call of the handler begins. Messages of the call before may still be on their way.</summary>
    internal OutboxState Begin() => new(Value & ~UncorkedBit);

    /// <summary>
    /// A message has been written behind the last one. Refused if the messages are being sent, if there is no room, or
    /// if the call is overdue.
    /// </summary>
    internal (OutboxState Next, bool IsAdded) Append()
        => IsSending || IsUncorked || Count == DatagramSendBatch.Capacity ? (this, false) : (new(Value + 1), true);

    /// <summary>The call has ended, or there is no room: its thread sends what there is.</summary>
    internal (OutboxState Next, bool Sends) Take()
        => IsSending || Count == 0 ? (this, false) : (new(Value | SendingBit), true);

    /// <summary>The call is overdue: the supervisor sends what there is.</summary>
    internal (OutboxState Next, bool Sends) Uncork()
        => IsSending || Count == 0 ? (new(Value | UncorkedBit), false) : (new(Value | UncorkedBit | SendingBit), true);

    /// <summary>The messages have been passed on.</summary>
    internal OutboxState EndSend() => new(Value & UncorkedBit);
}
