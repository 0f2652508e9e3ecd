using System.Buffers.Binary;

namespace Dns;

/// <summary>Writes an answer: the header and the question of the query, and records behind them.</summary>
internal ref struct AnswerWriter
{
    // A pointer to the question's name, right behind the header (RFC 1035, section 4.1.4).
    private const ushort QuestionName = 0xC000 | Query.HeaderSize;

    private readonly Span<byte> _answer;
    private readonly int _start;
    private int _end;
    private int _authorities;

    /// <param name="question">The header and the question.</param>
    /// <param name="answer">Room for the answer.</param>
    public AnswerWriter(ReadOnlySpan<byte> question, Span<byte> answer)
    {
        question.CopyTo(answer);
        _answer = answer;
        _start = _end = question.Length;
    }

    public int Answers { get; private set; }

    /// <summary>Whether there was no room for a record. Then the answer has none (RFC 2181, section 9).</summary>
    public bool IsFull { get; private set; }

    public void AddAnswer(Record record)
    {
        Span<byte> owner = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(owner, QuestionName);
        Answers++;
        Add(owner, record);
    }

    public void AddAuthority(Zone zone)
    {
        _authorities = 1;
        Add(zone.Owner, zone.Authority);
    }

    /// <summary>Writes the header.</summary>
    /// <returns>The length of the answer.</returns>
    public readonly int End(int flags, int questions, Span<byte> whole = default, bool hasOptions = false)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_answer[2..], (ushort)flags);
        BinaryPrimitives.WriteUInt16BigEndian(_answer[4..], (ushort)questions);
        BinaryPrimitives.WriteUInt16BigEndian(_answer[6..], (ushort)(IsFull ? 0 : Answers));
        BinaryPrimitives.WriteUInt16BigEndian(_answer[8..], (ushort)(IsFull ? 0 : _authorities));
        BinaryPrimitives.WriteUInt16BigEndian(_answer[10..], (ushort)(hasOptions ? 1 : 0));
        var end = IsFull ? _start : _end;
        if (!hasOptions)
        {
            return end;
        }

        // The root, the type, and the size of the datagrams that this server takes. All else is zero.
        var options = whole.Slice(end, 11);
        options.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(options[1..], (ushort)RecordType.OPT);
        BinaryPrimitives.WriteUInt16BigEndian(options[3..], 1232);
        return end + options.Length;
    }

    private void Add(scoped ReadOnlySpan<byte> owner, Record record)
    {
        var room = _answer[_end..];
        if (owner.Length + 10 + record.Data.Length > room.Length)
        {
            IsFull = true;
            return;
        }

        owner.CopyTo(room);
        room = room[owner.Length..];
        BinaryPrimitives.WriteUInt16BigEndian(room, (ushort)record.Type);
        BinaryPrimitives.WriteUInt16BigEndian(room[2..], 1);
        BinaryPrimitives.WriteInt32BigEndian(room[4..], Zone.TimeToLive);
        BinaryPrimitives.WriteUInt16BigEndian(room[8..], (ushort)record.Data.Length);
        record.Data.CopyTo(room[10..]);
        _end += owner.Length + 10 + record.Data.Length;
    }
}
